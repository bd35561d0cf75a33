// The load client against servers that do what a script says, and against Octet's own.
#include "serve/load/load_run.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/json_text.h"
#include "tests/base/temporary_directory.h"
#include "tests/serve/running_server.h"

namespace octet::serve {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::StartsWith;

// Answers every connection with the same bytes, in pieces with a pause between them, and keeps what was asked.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::string> pieces, std::chrono::milliseconds pause = {})
      : pieces_(std::move(pieces)), pause_(pause), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }

  std::string url() const { return Cat("http://127.0.0.1:", port_); }
  // Of all connections, one behind the other. Once no client is there any more.
  const std::string& asked() const { return asked_; }

 private:
  void Run() {
    for (int client = 0; (client = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(client)) {
      std::string request;
      char part[4096];
      while (!IsWhole(request)) {
        const ssize_t got = ::recv(client, part, sizeof part, 0);
        if (got <= 0) break;
        request.append(part, static_cast<size_t>(got));
      }
      asked_ += request;
      for (const std::string& piece : pieces_) {
        if (::send(client, piece.data(), piece.size(), MSG_NOSIGNAL) < 0) break;
        std::this_thread::sleep_for(pause_);
      }
    }
  }
  static bool IsWhole(const std::string& request) {
    const size_t head = request.find("\r\n\r\n"), length = request.find("Content-Length: ");
    if (head == std::string::npos) return false;
    return length == std::string::npos || request.size() >= head + 4 + std::stoul(request.substr(length + 16));
  }

  std::vector<std::string> pieces_;
  std::chrono::milliseconds pause_;
  int listener_;
  uint16_t port_ = 0;
  std::string asked_;
  std::thread thread_;
};

std::string Chunk(const std::string& text) { return fmt::format("{:x}\r\n{}\r\n", text.size(), text); }
const std::string kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

LoadTarget TargetAt(const std::string& url, const std::string& key = {}, double seconds = 20) {
  return *LoadTarget::Open(*ParseServerUrl(url), {.key = key, .seconds = seconds}, "m", CancelFlag());
}

LoadOutcome Measure(const LoadTarget& target, const LoadShape& shape, const AskSettings& settings = {.model = "m"}) {
  CancelFlag cancel;
  Progress progress;
  return RunLoad(target, LoadPrompts::OfWords(4, 1), settings, shape, cancel, progress);
}

std::vector<std::string> Failures(const LoadOutcome& outcome) {
  std::vector<std::string> failures;
  for (const LoadRecord& record : outcome.records) failures.push_back(record.failure);
  return failures;
}

TEST(LoadRun, EventsThatLieAcrossChunksAndPacketsAreOneAnswer) {
  const std::string text = "data: {\"choices\": [{\"delta\": {\"content\": \"Hi\"}}]}\n\n";
  std::vector<std::string> pieces = {kStreamHead, ": hello\n\n"};
  pieces[1] = Chunk(pieces[1]);
  pieces.push_back(Chunk(text.substr(0, 10)));
  pieces.push_back(Chunk(text.substr(10) + text.substr(0, 30)).substr(0, 7));  // a packet ends in the chunk's middle
  pieces.push_back(Chunk(text.substr(10) + text.substr(0, 30)).substr(7));
  pieces.push_back(Chunk(text.substr(30) + "data: [DONE]\n\n") + "0\r\n\r\n");
  ScriptedServer server(pieces, std::chrono::milliseconds(10));
  const LoadOutcome outcome = Measure(TargetAt(server.url(), "a-key"), {.concurrency = 1, .requests = 2});
  EXPECT_THAT(Failures(outcome), testing::ElementsAre("", ""));
  for (const LoadRecord& record : outcome.records) {
    ASSERT_EQ(record.pieces.size(), 2u);
    EXPECT_LT(record.sent, record.pieces[0]);
    EXPECT_LT(record.pieces[0], record.pieces[1]);
    EXPECT_LE(record.pieces[1], record.ended);
  }
  EXPECT_THAT(server.asked(), StartsWith("POST /v1/chat/completions HTTP/1.1\r\n"));
  EXPECT_THAT(server.asked(), HasSubstr("Authorization: Bearer a-key\r\n"));
  EXPECT_THAT(server.asked(), HasSubstr("\"stream\":true,\"stream_options\":{\"include_usage\":true}"));
  EXPECT_THAT(server.asked(), HasSubstr("\"max_tokens\":128,\"ignore_eos\":true"));
}

TEST(LoadRun, AServerThatAnswersNothingFails) {
  ScriptedServer empty({kStreamHead + Chunk("data: [DONE]\n\n") + "0\r\n\r\n"});
  EXPECT_THAT(Failures(Measure(TargetAt(empty.url()), {.concurrency = 2, .requests = 4})), Each("the answer is empty"));
  ScriptedServer cut({kStreamHead + Chunk("data: {\"choices\"")});
  EXPECT_THAT(Failures(Measure(TargetAt(cut.url()), {.requests = 2})), Each(StartsWith("the reply broke off: ")));
  ScriptedServer silent({});
  EXPECT_THAT(Failures(Measure(TargetAt(silent.url()), {.requests = 2})), Each(StartsWith("no reply: ")));
  ScriptedServer refuses(
      {"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 27\r\n\r\n{\"error\":{\"message\":\"full\"}}"});
  EXPECT_THAT(Failures(Measure(TargetAt(refuses.url()), {.requests = 2})), Each(StartsWith("HTTP 503")));
}

TEST(LoadRun, ARequestThatTakesTooLongFails) {
  ScriptedServer slow({kStreamHead, "", ""}, std::chrono::milliseconds(300));
  const LoadOutcome outcome = Measure(TargetAt(slow.url(), {}, /*seconds=*/0.2), {.requests = 1});
  EXPECT_THAT(Failures(outcome), Each("no end after 0.2 s"));
}

TEST(LoadRun, AWishToStopLeavesWhatIsUnderWay) {
  ScriptedServer slow({kStreamHead, "", "", ""}, std::chrono::milliseconds(200));
  CancelFlag cancel;
  Progress progress;
  std::thread stop([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    cancel.Request();
  });
  const LoadOutcome outcome = RunLoad(TargetAt(slow.url()), LoadPrompts::OfWords(4, 1), {.model = "m"},
                                      {.concurrency = 3, .requests = 100}, cancel, progress);
  stop.join();
  EXPECT_EQ(outcome.cut_off, 3u);
  EXPECT_TRUE(outcome.records.empty());
}

TEST(LoadRun, AWishToStopEndsTheWaitForAServerThatSaysNothing) {
  ScriptedServer silent({"", "", ""}, std::chrono::milliseconds(200));
  CancelFlag cancel;
  cancel.Request();
  const Result<LoadTarget> target = LoadTarget::Open(*ParseServerUrl(silent.url()), {}, "", cancel);
  ASSERT_FALSE(target.has_value());
  EXPECT_EQ(target.error().code, ErrorCode::kCancelled);
}

TEST(LoadRun, AddressesAreReadOrRefused) {
  const Result<ServerUrl> plain = ParseServerUrl("http://localhost:8080");
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(Cat(plain->host, "|", plain->port, "|", plain->path), "localhost|8080|/v1");
  const Result<ServerUrl> deep = ParseServerUrl("http://[::1]:99/api/v3/");
  ASSERT_TRUE(deep.has_value());
  EXPECT_EQ(Cat(deep->host, "|", deep->port, "|", deep->path), "[::1]|99|/api/v3");
  EXPECT_EQ(ParseServerUrl("http://example.org")->port, "80");
  EXPECT_THAT(ParseServerUrl("https://example.org").error().message, HasSubstr("no TLS"));
  for (const char* wrong : {"", "localhost:8080", "http://", "http://a:b", "http://a:", "http://a b", "http://[::1",
                            "http://a/?q", "http://user@a", "http://a\r\nX: y"})
    EXPECT_FALSE(ParseServerUrl(wrong).has_value()) << wrong;
}

TEST(LoadRun, PromptsComeFromAFileOrAreDrawnEachForItself) {
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory.Write("prompts.jsonl",
                                                     "{\"prompt\": \"a\", \"max_tokens\": 3}\n"
                                                     "{\"messages\": [{\"role\": \"user\", \"content\": \"b\"}]}\n");
  const Result<LoadPrompts> read = LoadPrompts::Read(path);
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_TRUE(read->has_messages());
  EXPECT_EQ(read->At(2).content, "a");
  EXPECT_EQ(read->At(2).max_tokens, 3u);
  EXPECT_THAT(RequestBody(read->At(1), {.model = "m"}),
              HasSubstr("\"messages\":[{\"role\":\"user\",\"content\":\"b\"}]"));
  EXPECT_THAT(RequestBody(read->At(0), {.model = "m", .is_chat = false}), HasSubstr("\"prompt\":\"a\""));
  directory.Write("prompts.jsonl", "{\"prompt\": \"a\"}\n{\"text\": \"b\"}\n");
  EXPECT_THAT(LoadPrompts::Read(path).error().message, HasSubstr("line 2"));
  directory.Write("prompts.jsonl", "\n");
  EXPECT_THAT(LoadPrompts::Read(path).error().message, HasSubstr("has no prompts"));

  const LoadPrompts drawn = LoadPrompts::OfWords(20, 1);
  const std::string first = drawn.At(0).content;
  EXPECT_EQ(std::count(first.begin(), first.end(), ' '), 19);
  EXPECT_EQ(drawn.At(0).content, LoadPrompts::OfWords(20, 1).At(0).content);
  EXPECT_NE(drawn.At(0).content, drawn.At(1).content);
  EXPECT_NE(drawn.At(0).content, LoadPrompts::OfWords(20, 2).At(0).content);
}

class LoadOnOctet : public RunningServer {
 protected:
  LoadTarget Target() {
    return *LoadTarget::Open(*ParseServerUrl(Cat("http://127.0.0.1:", server_->port())), {}, "", CancelFlag());
  }
};

TEST_F(LoadOnOctet, EveryRequestIsAnsweredInFullAtAnyConcurrencyAndRate) {
  Start();
  Open();
  const LoadTarget target = Target();
  EXPECT_EQ(target.model, "tiny");
  for (const bool is_chat : {true, false}) {
    const AskSettings settings{.model = target.model, .is_chat = is_chat, .max_tokens = 12};
    for (const LoadShape& shape :
         {LoadShape{.concurrency = 5, .requests = 12}, LoadShape{.rate = 200, .requests = 12}}) {
      const LoadOutcome outcome = Measure(target, shape, settings);
      ASSERT_EQ(outcome.records.size(), 12u);
      EXPECT_THAT(Failures(outcome), Each(""));
      const LoadSummary summary = Summarise(outcome.records, {});
      EXPECT_EQ(summary.answer_tokens, 12u * 12u);
      EXPECT_GT(summary.prompt_tokens, 12u);
    }
  }
}

TEST_F(LoadOnOctet, MadeUpPromptsHaveTheLengthThatIsAskedFor) {
  Start();
  Open();
  const LoadTarget target = Target();
  const AskSettings settings{.model = target.model, .max_tokens = 2};
  const Result<size_t> words = target.WordsFor(150, settings, /*seed=*/3, CancelFlag());
  ASSERT_TRUE(words.has_value()) << words.error().message;
  CancelFlag cancel;
  Progress progress;
  const LoadOutcome outcome =
      RunLoad(target, LoadPrompts::OfWords(*words, 3), settings, {.concurrency = 2, .requests = 6}, cancel, progress);
  for (const LoadRecord& record : outcome.records) EXPECT_NEAR(static_cast<double>(record.prompt_tokens), 150, 25);
  EXPECT_THAT(target.WordsFor(2, settings, 3, CancelFlag()).error().message,
              HasSubstr("--prompt-tokens asks for 2; ask for more"));
}

TEST_F(LoadOnOctet, AWrongModelIsAFailureOfEachRequest) {
  Start();
  Open();
  EXPECT_THAT(Failures(Measure(Target(), {.requests = 3}, {.model = "none", .max_tokens = 2})),
              Each(StartsWith("HTTP 404: ")));
}

}  // namespace
}  // namespace octet::serve
