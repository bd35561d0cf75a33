// From the messages of a request to the prompt that the model's chat template makes of them.
//
//   ChatWish wish{.messages = OCTET_API_TRY(ReadMessages(*list, "messages"))};
//   std::vector<int32_t> ids = OCTET_API_TRY(ChatIds(wish, model));
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api/fields.h"
#include "serve/api/served_model.h"
#include "serve/api/tool_fields.h"
#include "text/text_piece.h"

namespace octet::serve {

struct ChatWish {
  Json messages = Json::array();
  bool add_generation_prompt = true;
  bool continue_final_message = false;  // the last message's text is the beginning of the answer
  bool add_special_tokens = false;      // the template writes them itself
  Json more = Json::object();           // chat_template_kwargs, documents
  ToolWish tools = {};
};

// Messages with what templates read and nothing else: role, content, name, tool_calls, tool_call_id and the reasoning.
// `developer` becomes `system`. Content is a text or a list of parts of type text; null where an assistant calls tools,
// whose arguments become JSON. Fails naming the entry, as in messages[2].content[0], for anything else.
ApiResult<Json> ReadMessages(const Json& list, std::string_view where);

// messages, add_generation_prompt, continue_final_message, chat_template_kwargs, documents, add_special_tokens, and the
// tools with their choice. Templates of requests are refused.
ChatWish ReadChatWish(Fields& fields);

// Where a tool has to be called, the prompt ends in the mark that opens a call. Fails where the model has no template
// or its template refuses the messages, and for tools that the template doesn't show or whose calls can't be read.
ApiResult<std::vector<TextPiece>> RenderChat(const ChatWish& wish, const ServedModel& model);
// The ids, however many; special tokens count only where the template wrote them. Fails as RenderChat does.
ApiResult<std::vector<int32_t>> EncodeChat(const ChatWish& wish, const ServedModel& model);
// The same for an answer: fails also where there are none, or where the context has no room.
ApiResult<std::vector<int32_t>> ChatIds(const ChatWish& wish, const ServedModel& model);

}  // namespace octet::serve
