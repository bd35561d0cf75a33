// The models of a server and what becomes of them: the part of service.h that lists, loads and unloads.
#include <algorithm>
#include <charconv>
#include <utility>

#include "serve/api/fields.h"
#include "serve/service_call.h"

namespace octet::serve {
namespace {

// %2F and the like as the characters they stand for; what isn't of that form stays.
std::string PercentDecoded(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    uint8_t byte = 0;
    const char* end = text.data() + at + 3;
    const bool coded =
        text[at] == '%' && at + 3 <= text.size() && std::from_chars(text.data() + at + 1, end, byte, 16).ptr == end;
    out.push_back(coded ? static_cast<char>(byte) : text[at]);
    if (coded) at += 2;
  }
  return out;
}

// An entry of the list, also of a model that isn't loaded now.
Json EntryOf(const ModelStatus& model, const std::string& name) {
  const bool is_adapter = std::find(model.adapters.begin(), model.adapters.end(), name) != model.adapters.end();
  Json entry = {{"id", name},
                {"object", "model"},
                {"created", 0},
                {"owned_by", "octet"},
                {"root", is_adapter ? name : model.name},
                {"parent", is_adapter ? Json(model.name) : Json(nullptr)}};
  if (model.lease) entry = ModelJson(model.lease->model, name);
  entry["status"] = {{"value", model.state}};
  if (model.failed) entry["status"]["failed"] = true;
  return entry;
}

// The body of a request about one model.
ApiResult<std::string> ReadModelName(const std::string& text) {
  const Json body = OCTET_API_TRY(ParseBody(text));
  Fields fields(body);
  const std::optional<std::string> name = fields.Text("model");
  if (!name) fields.Refuse("model", "is missing");
  if (fields.failed()) return tl::unexpected(fields.error());
  return *name;
}

}  // namespace

void Service::Models(Call& call) const {
  if (call.request.path.starts_with(kModelPath)) {
    const std::string name = PercentDecoded(std::string_view(call.request.path).substr(kModelPath.size()));
    const ApiResult<ModelStatus> model = models_.Find(name);
    return call.answer->Send(model ? JsonReply(EntryOf(*model, name)) : ErrorReply(model.error()));
  }
  Json list = {{"object", "list"}, {"data", Json::array()}};
  for (const ModelStatus& model : models_.List()) {
    list["data"].push_back(EntryOf(model, model.name));
    for (const std::string& alias : model.aliases) list["data"].push_back(EntryOf(model, alias));
    for (const std::string& adapter : model.adapters) list["data"].push_back(EntryOf(model, adapter));
  }
  call.answer->Send(JsonReply(list));
}

// As llama.cpp's router has it: an entry for each model, not for each name.
void Service::ModelStates(Call& call) const {
  Json list = {{"object", "list"}, {"data", Json::array()}};
  for (const ModelStatus& model : models_.List()) {
    Json entry = EntryOf(model, model.name);
    entry["aliases"] = model.aliases;
    list["data"].push_back(std::move(entry));
  }
  call.answer->Send(JsonReply(list));
}

void Service::LoadModel(Call& call) const {
  const ApiResult<std::string> name = ReadModelName(call.request.body);
  if (!name) return call.answer->Send(ErrorReply(name.error()));
  models_.Load(*name, [answer = call.answer](const ApiResult<void>& loaded) {
    answer->Send(loaded ? JsonReply({{"success", true}}) : ErrorReply(loaded.error()));
  });
}

void Service::UnloadModel(Call& call) const {
  const ApiResult<void> unloaded =
      ReadModelName(call.request.body).and_then([this](const std::string& name) { return models_.Unload(name); });
  call.answer->Send(unloaded ? JsonReply({{"success", true}}) : ErrorReply(unloaded.error()));
}

}  // namespace octet::serve
