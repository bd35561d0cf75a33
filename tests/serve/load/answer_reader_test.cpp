// Streams as servers send them, wherever they are cut, and what counts as an answer.
#include "serve/load/answer_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/load/event_reader.h"

namespace octet::serve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> EventsOf(const std::vector<std::string_view>& parts) {
  EventReader reader;
  std::vector<std::string> events;
  for (const std::string_view part : parts)
    EXPECT_TRUE(reader.Feed(part, [&](std::string_view data) { events.emplace_back(data); }));
  return events;
}

TEST(EventReader, EventsAreTheSameWhereverTheBytesAreCut) {
  const std::string stream =
      ": still working\n\ndata: {\"a\": 1}\n\ndata:two\ndata: lines\r\n\r\nevent: ping\nid: 7\ndata: three\r\r"
      "retry: 5\n\n: data: no\ndata\n\ndata: [DONE]\n\n";
  const auto expected = ElementsAre("{\"a\": 1}", "two\nlines", "three", "[DONE]");
  EXPECT_THAT(EventsOf({stream}), expected);
  for (size_t cut = 0; cut <= stream.size(); ++cut)
    EXPECT_THAT(EventsOf({std::string_view(stream).substr(0, cut), std::string_view(stream).substr(cut)}), expected);
  std::vector<std::string_view> single;
  for (size_t i = 0; i < stream.size(); ++i) single.push_back(std::string_view(stream).substr(i, 1));
  EXPECT_THAT(EventsOf(single), expected);
}

TEST(EventReader, AnEventThatIsNotOverIsNone) { EXPECT_THAT(EventsOf({"data: a\n\ndata: b\n"}), ElementsAre("a")); }

TEST(EventReader, AnEventWithoutEndIsRefused) {
  EventReader reader;
  const std::string part(1 << 20, 'x');
  Status fed;
  for (size_t i = 0; i < 20 && fed; ++i) fed = reader.Feed(part, [](std::string_view) {});
  ASSERT_FALSE(fed.has_value());
  EXPECT_THAT(fed.error().message, HasSubstr("more than 16777216 bytes"));
}

// Each text at the time 1, 2, 3, ...; ended one later.
LoadRecord Read(int status, const std::vector<std::string_view>& texts, const std::string& failure = {}) {
  LoadRecord record;
  AnswerReader reader(record);
  if (status != 0) reader.Head(status);
  double now = 0;
  for (const std::string_view text : texts) reader.Bytes(text, ++now);
  reader.End(failure, ++now);
  return record;
}

constexpr std::string_view kRole =
    "data: {\"choices\": [{\"delta\": {\"role\": \"assistant\", \"content\": \"\"}}]}\n\n";
constexpr std::string_view kHello = "data: {\"choices\": [{\"delta\": {\"content\": \"Hello\"}}], \"usage\": null}\n\n";
constexpr std::string_view kStop = "data: {\"choices\": [{\"delta\": {}, \"finish_reason\": \"stop\"}]}\n\n";
constexpr std::string_view kUsage =
    "data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 9, \"completion_tokens\": 5}}\n\ndata: [DONE]\n\n";

TEST(AnswerReader, TheFirstTextCountsAndNotTheRole) {
  const LoadRecord record = Read(200, {kRole, kHello, kHello, kStop, kUsage});
  EXPECT_TRUE(record.answered()) << record.failure;
  EXPECT_THAT(record.pieces, ElementsAre(2, 3));
  EXPECT_EQ(record.ended, 6);
  EXPECT_EQ(record.prompt_tokens, 9u);
  EXPECT_EQ(record.answer_tokens, 5u);
}

TEST(AnswerReader, CompletionsReasoningAndToolsSaySomethingToo) {
  for (const std::string_view text : {"data: {\"choices\": [{\"text\": \"a\"}]}\n\n",
                                      "data: {\"choices\": [{\"delta\": {\"reasoning_content\": \"a\"}}]}\n\n",
                                      "data: {\"choices\": [{\"delta\": {\"tool_calls\": [{\"index\": 0}]}}]}\n\n"}) {
    const LoadRecord record = Read(200, {text, "data: [DONE]\n\n"});
    EXPECT_TRUE(record.answered()) << text << record.failure;
    EXPECT_EQ(record.answer_tokens, 1u);  // counted by pieces where the server counts none
  }
}

TEST(AnswerReader, WhatIsEmptyBrokenOrRefusedHasFailed) {
  EXPECT_EQ(Read(200, {kRole, kStop, kUsage}).failure, "the answer is empty");
  EXPECT_EQ(Read(200, {}).failure, "the stream broke off before the answer's end");
  EXPECT_EQ(Read(200, {kRole, kHello}).failure, "the stream broke off before the answer's end");
  EXPECT_EQ(Read(200, {kHello}, "the reply broke off").failure, "the reply broke off");
  EXPECT_EQ(Read(0, {}, "can't connect").failure, "can't connect");
  EXPECT_EQ(Read(200, {kHello, "data: {\"error\": {\"message\": \"no room\"}}\n\n", kUsage}).failure,
            "in the stream: no room");
  EXPECT_EQ(Read(200, {kHello, "data: nonsense\n\n", kUsage}).failure, "an event is no JSON object: nonsense");
  EXPECT_EQ(Read(503, {"{\"error\": {\"mess", "age\": \"full\"}}"}).failure, "HTTP 503: full");
  EXPECT_EQ(Read(404, {"{\"error\": \"no such model\"}"}).failure, "HTTP 404: no such model");
  EXPECT_EQ(Read(422, {"{\"message\": \"extra field\"}"}).failure, "HTTP 422: extra field");
  EXPECT_EQ(Read(502, {"<html>"}).failure, "HTTP 502: <html>");
  EXPECT_EQ(Read(500, {}).failure, "HTTP 500");
}

}  // namespace
}  // namespace octet::serve
