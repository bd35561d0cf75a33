// Answers that must have a form, asked for in the words of each API.
#include <gmock/gmock.h>

#include "tests/serve/running_server.h"

namespace octet::serve {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::MatchesRegex;

const Json& SmallSchema() {
  static const Json schema = {{"type", "object"},
                              {"properties", {{"n", {{"enum", {1, 2, 3}}}}, {"b", {{"type", "boolean"}}}}},
                              {"required", {"n", "b"}},
                              {"additionalProperties", false}};
  return schema;
}

bool FitsSmallSchema(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return json.is_object() && json.size() == 2 && json.contains("n") && json["n"] >= 1 && json["n"] <= 3 &&
         json.contains("b") && json["b"].is_boolean();
}

class ConstraintTest : public RunningServer {
 protected:
  void SetUp() override {
    Start();
    Open();
  }

  static Json ChatBody(const Json& more) {
    Json body = {{"messages", {{{"role", "user"}, {"content", "Hi"}}}}, {"max_tokens", 120}, {"seed", 1}};
    body.update(more);
    return body;
  }
  HttpResult AskChat(const Json& more) { return Post("/v1/chat/completions", ChatBody(more)); }
  HttpResult AskCompletion(const Json& more) {
    Json body = {{"prompt", "Hi"}, {"max_tokens", 120}, {"seed", 2}};
    body.update(more);
    return Post("/v1/completions", body);
  }

  // The answers of both APIs to the same form.
  std::vector<std::string> Answers(const Json& form) {
    const HttpResult chat = AskChat(form), completion = AskCompletion(form);
    EXPECT_EQ(chat.At("/choices/0/finish_reason"), "stop") << chat.body;
    EXPECT_EQ(completion.At("/choices/0/finish_reason"), "stop") << completion.body;
    EXPECT_TRUE(chat.At("/timings/mask_ms").is_number()) << chat.body;
    return {chat.At("/choices/0/message/content").get<std::string>(),
            completion.At("/choices/0/text").get<std::string>()};
  }
};

TEST_F(ConstraintTest, SchemasHoldInEveryApisWords) {
  const Json& schema = SmallSchema();
  const std::vector<Json> forms = {
      {{"response_format",
        {{"type", "json_schema"}, {"json_schema", {{"name", "s"}, {"strict", true}, {"schema", schema}}}}}},
      {{"response_format", {{"type", "json_object"}, {"schema", schema}}}},
      {{"guided_json", schema}},
      {{"guided_json", Dump(schema)}},
      {{"json_schema", schema}},
      {{"structured_outputs", {{"json", schema}}}}};
  for (const Json& form : forms) {
    for (const std::string& text : Answers(form)) EXPECT_TRUE(FitsSmallSchema(text)) << form << text;
  }
}

TEST_F(ConstraintTest, PatternsChoicesAndGrammarsHold) {
  for (const Json& form :
       {Json{{"guided_regex", "[ab]{3}-\\d"}}, Json{{"structured_outputs", {{"regex", "[ab]{3}-\\d"}}}}})
    EXPECT_THAT(Answers(form), testing::Each(MatchesRegex("[ab][ab][ab]-[0-9]"))) << form;
  for (const Json& form :
       {Json{{"guided_choice", {"north", "south"}}}, Json{{"structured_outputs", {{"choice", {"north", "south"}}}}}})
    EXPECT_THAT(Answers(form), testing::Each(AnyOf("north", "south"))) << form;
  const std::string rules = "root ::= \"(\" part \")\" | part\npart ::= [xy]{1,3}";
  for (const Json& form :
       {Json{{"guided_grammar", rules}}, Json{{"grammar", rules}}, Json{{"structured_outputs", {{"grammar", rules}}}}})
    EXPECT_THAT(Answers(form), testing::Each(MatchesRegex("[(]?[xy]+[)]?"))) << form;
}

TEST_F(ConstraintTest, JsonModeGivesAnObject) {
  for (const Json& form :
       {Json{{"response_format", {{"type", "json_object"}}}}, Json{{"structured_outputs", {{"json_object", true}}}}}) {
    const HttpResult reply = AskChat(form);
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_TRUE(reply.At("/choices/0/message/content").get<std::string>().starts_with('{')) << reply.body;
  }
}

TEST_F(ConstraintTest, WhatIsOffChangesNothing) {
  const std::string free = AskChat({{"temperature", 0}}).At("/choices/0/message/content");
  for (const Json& form : {Json{{"response_format", {{"type", "text"}}}}, Json{{"response_format", nullptr}},
                           Json{{"grammar", ""}}, Json{{"guided_json", nullptr}},
                           Json{{"structured_outputs", Json::object()}}, Json{{"guided_decoding_backend", "x"}}}) {
    Json body = form;
    body["temperature"] = 0;
    const HttpResult reply = AskChat(body);
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.At("/choices/0/message/content"), free) << form;
    EXPECT_EQ(reply.At("/timings/mask_ms"), nullptr);
    EXPECT_EQ(reply.head.find("X-Octet-Ignored"), std::string::npos) << reply.head;
  }
}

TEST_F(ConstraintTest, WhatCannotBeHeldIsNamedWithItsPlace) {
  const auto error = [&](const Json& form) {
    const HttpResult chat = AskChat(form), completion = AskCompletion(form);
    EXPECT_EQ(chat.status, 400) << chat.body;
    EXPECT_EQ(chat.At("/error/message"), completion.At("/error/message"));
    return Cat(chat.At("/error/param").is_string() ? chat.At("/error/param").get<std::string>() : "none", "|",
               chat.At("/error/message").get<std::string>());
  };
  const Json negated = {{"type", "object"}, {"properties", {{"x", {{"not", {{"type", "null"}}}}}}}};
  EXPECT_THAT(error({{"response_format", {{"type", "json_schema"}, {"json_schema", {{"schema", negated}}}}}}),
              testing::AllOf(HasSubstr("response_format.json_schema.schema|"),
                             HasSubstr("#/properties/x/not: `not` is not supported")));
  EXPECT_THAT(error({{"response_format", {{"type", "json_schema"}}}}),
              HasSubstr("response_format.json_schema.schema|"));
  EXPECT_THAT(error({{"response_format", {{"type", "xml"}}}}), HasSubstr("response_format.type|"));
  EXPECT_THAT(error({{"response_format", Json::object()}}), HasSubstr("response_format.type|"));
  EXPECT_THAT(error({{"guided_json", "{"}}), HasSubstr("guided_json|"));
  EXPECT_THAT(error({{"guided_json", "[1]"}}), HasSubstr("guided_json|"));
  EXPECT_THAT(error({{"guided_regex", "a(?=b)"}}), HasSubstr("guided_regex|"));
  EXPECT_THAT(error({{"guided_regex", 5}}), HasSubstr("guided_regex|"));
  EXPECT_THAT(error({{"guided_choice", Json::array()}}), HasSubstr("guided_choice|"));
  EXPECT_THAT(error({{"guided_choice", {"a", 5}}}), HasSubstr("guided_choice|"));
  EXPECT_THAT(error({{"guided_choice", "a"}}), HasSubstr("guided_choice|"));
  EXPECT_THAT(error({{"grammar", "root ::= nothing"}}), HasSubstr("grammar|"));
  EXPECT_THAT(error({{"guided_regex", "((a{999}){999}){999}"}}), HasSubstr("the limit is 1000000"));
  EXPECT_THAT(error({{"guided_whitespace_pattern", " "}}), HasSubstr("guided_whitespace_pattern|"));
  EXPECT_THAT(error({{"structured_outputs", {{"structural_tag", "x"}}}}),
              HasSubstr("structured_outputs.structural_tag|"));
  EXPECT_THAT(error({{"structured_outputs", {{"lark", "x"}}}}), HasSubstr("structured_outputs.lark|"));
}

TEST_F(ConstraintTest, TwoFormsExcludeEachOther) {
  for (const Json& form : {Json{{"guided_regex", "a"}, {"guided_choice", {"a"}}},
                           Json{{"response_format", {{"type", "json_object"}}}, {"grammar", "root ::= \"a\""}},
                           Json{{"structured_outputs", {{"regex", "a"}, {"choice", {"a"}}}}}}) {
    const HttpResult reply = AskChat(form);
    EXPECT_EQ(reply.status, 400) << reply.body;
    EXPECT_THAT(reply.At("/error/message").get<std::string>(), HasSubstr("exclude each other"));
  }
}

TEST_F(ConstraintTest, EachChoiceIsHeldForItselfAndStreamsSayTheSame) {
  const Json form = {{"guided_json", SmallSchema()}, {"n", 3}, {"temperature", 5}};
  const HttpResult whole = AskChat(form);
  ASSERT_EQ(whole.status, 200) << whole.body;
  Json streamed = form;
  streamed["stream"] = true;
  std::map<size_t, std::string> texts;
  for (const std::string& event : Events(AskChat(streamed).body)) {
    if (event == "[DONE]") continue;
    const Json choice = Json::parse(event)["choices"][0];
    texts[choice["index"].get<size_t>()] += choice["delta"].value("content", "");
  }
  ASSERT_EQ(texts.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(FitsSmallSchema(texts[i])) << texts[i];
    EXPECT_EQ(whole.At(Cat("/choices/", i, "/message/content")), texts[i]);
  }
}

TEST_F(ConstraintTest, ResponsesTakeTheSchemaBesideItsType) {
  const Json format = {{"type", "json_schema"}, {"name", "s"}, {"schema", SmallSchema()}};
  const HttpResult reply =
      Post("/v1/responses", {{"input", "Hi"}, {"max_output_tokens", 120}, {"text", {{"format", format}}}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_TRUE(FitsSmallSchema(reply.At("/output/0/content/0/text"))) << reply.body;
  EXPECT_EQ(reply.At("/text/format"), format);
  const HttpResult wrong = Post("/v1/responses", {{"input", "Hi"}, {"text", {{"format", {{"type", "json_schema"}}}}}});
  EXPECT_EQ(wrong.At("/error/param"), "text.format.schema") << wrong.body;
}

// The error is the client's, not the server's: asked again it would come again.
TEST_F(ConstraintTest, AGrammarThatExplodesFailsItsRequestAndNoOther) {
  Json bad = ChatBody({{"guided_grammar", "root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"d\""}, {"temperature", 0}});
  for (int32_t id = 0; id < static_cast<int32_t>(engine_->spec().vocab); ++id) {
    if (engine_->tokenizer()->Decode(std::span(&id, 1)) == "a") bad["logit_bias"][std::to_string(id)] = 100;
  }
  const HttpResult whole = Post("/v1/chat/completions", bad);
  EXPECT_EQ(whole.status, 400) << whole.body;
  EXPECT_THAT(whole.At("/error/message").get<std::string>(), HasSubstr("the limit is 10000"));
  bad["stream"] = true;
  const std::vector<std::string> events = Events(Post("/v1/chat/completions", bad).body);
  ASSERT_GE(events.size(), 3u);
  EXPECT_THAT(events[events.size() - 2], HasSubstr("\"error\""));
  EXPECT_EQ(events.back(), "[DONE]");
  EXPECT_EQ(AskChat({{"guided_choice", {"yes"}}}).At("/choices/0/message/content"), "yes");
}

}  // namespace
}  // namespace octet::serve
