// `octet chat` on a terminal: keys, signals, history.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace octet {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Long enough for a sanitizer's build on a busy machine; only a failure waits so long.
constexpr int kPatienceMs = 60'000;

class ChatOnATerminal : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "octet_terminal_XXXXXX").native();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    std::filesystem::copy(OCTET_SOURCE_DIR "/tests/golden/models/smollm2", directory_ / "m");
    std::ofstream(directory_ / "m" / "chat_template.jinja")
        << "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";
    Start(History());
  }

  void TearDown() override {
    Stop();
    std::filesystem::remove_all(directory_);
  }

  // Without --history where there is none; the usual file is then below directory_.
  void Start(const std::optional<std::filesystem::path>& history) {
    process_ = ::forkpty(&terminal_, nullptr, nullptr, nullptr);
    if (process_ < 0) GTEST_SKIP() << "no terminal can be opened here: " << std::strerror(errno);
    if (process_ > 0) return;
    ::signal(SIGHUP, SIG_DFL);  // nohup's wish isn't the test's
    ::setenv("TERM", "xterm", 1);
    ::setenv("NO_COLOR", "1", 1);
    ::setenv("XDG_STATE_HOME", directory_.c_str(), 1);
    const std::string model = (directory_ / "m").native();
    ::execl(OCTET_PROGRAM, "octet", "chat", model.c_str(), "--max-tokens", "3", history ? "--history" : nullptr,
            history ? history->c_str() : nullptr, static_cast<char*>(nullptr));
    ::_exit(127);
  }

  void Stop() {
    if (terminal_ >= 0) ::close(terminal_);
    if (process_ > 0) {
      ::kill(process_, SIGKILL);
      ::waitpid(process_, nullptr, 0);
    }
    terminal_ = -1;
    process_ = -1;
  }

  std::filesystem::path History() const { return directory_ / "history"; }

  void Type(std::string_view keys) {
    ASSERT_EQ(::write(terminal_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }

  // Everything up to the text, which is taken off; all there was if it doesn't come.
  std::string ReadUpTo(std::string_view text) {
    while (true) {
      if (const size_t found = seen_.find(text); found != std::string::npos) {
        std::string before = seen_.substr(0, found);
        seen_.erase(0, found + text.size());
        return before;
      }
      if (!ReadMore()) {
        ADD_FAILURE() << "`" << text << "` didn't come after: " << seen_;
        return seen_;
      }
    }
  }

  // False at the end, and where nothing comes.
  bool ReadMore() {
    pollfd input = {.fd = terminal_, .events = POLLIN, .revents = 0};
    char block[4096];
    const ssize_t got = ::poll(&input, 1, kPatienceMs) == 1 ? ::read(terminal_, block, sizeof block) : 0;
    if (got > 0) seen_.append(block, static_cast<size_t>(got));
    return got > 0;
  }

  // The exit code, 128 + signal where one ended the process.
  int Wait() {
    while (ReadMore()) {  // a full terminal would hold the program up
    }
    return WaitForExit();
  }

  int WaitForExit() {
    ::alarm(kPatienceMs / 1000);  // ends the test, should the program stay
    int status = 0;
    ::waitpid(process_, &status, 0);
    ::alarm(0);
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  static std::string BytesOf(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::filesystem::path directory_;
  pid_t process_ = -1;
  int terminal_ = -1;
  std::string seen_;
};

TEST_F(ChatOnATerminal, CtrlCDropsWhatWasTypedAndCtrlDLeaves) {
  ReadUpTo("> ");
  Type("half a question");
  ReadUpTo("question");
  Type("\x03");
  ReadUpTo("> ");
  Type("/stats\r");
  EXPECT_THAT(ReadUpTo("context used"), HasSubstr("0 questions"));
  ReadUpTo("> ");
  Type("\x04");
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ChatOnATerminal, KeysTypedAheadOfThePromptCount) {
  Type("/stats\r\x04");  // before the model is open
  EXPECT_EQ(Wait(), 0);
}

TEST_F(ChatOnATerminal, CtrlCEndsABlockOfLines) {
  ReadUpTo("> ");
  Type("\"\"\"\r");
  ReadUpTo(". ");
  Type("one line\r");
  ReadUpTo(". ");
  Type("\x03");
  ReadUpTo("> ");
  Type("/stats\r");
  EXPECT_THAT(ReadUpTo("context used"), HasSubstr("0 questions"));
}

// The terminal drops what was typed before a Ctrl-C and not read yet, also between the look for a key and its reading.
TEST_F(ChatOnATerminal, CtrlCBehindWordsThatAreStillBeingReadEndsTheirLine) {
  ReadUpTo("> ");
  for (int i = 0; i < 300; ++i) {
    Type("some words that nobody ends");
    if (i % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(20 * (i % 50)));
    Type("\x03");
    ReadUpTo("Ctrl-D leaves");
    if (HasFailure()) FAIL() << i;
  }
  ReadUpTo("> ");
  Type("/stats\r");
  EXPECT_THAT(ReadUpTo("context used"), HasSubstr("0 questions"));
}

TEST_F(ChatOnATerminal, ATerminationAtThePromptEndsItAsSignalsDo) {
  ReadUpTo("> ");
  ASSERT_EQ(::kill(process_, SIGTERM), 0);
  EXPECT_EQ(Wait(), 128 + SIGTERM);
}

TEST_F(ChatOnATerminal, LinesAreKeptWhenTheTerminalCloses) {
  ReadUpTo("> ");
  Type("caf\xC3\xA9 or tea?\r");
  ReadUpTo("tokens/s");
  ReadUpTo("> ");
  ::close(terminal_);
  EXPECT_EQ(WaitForExit(), 128 + SIGHUP);
  terminal_ = -1;
  std::ifstream file(History());
  const std::string kept{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(kept, HasSubstr("tea?"));
}

TEST_F(ChatOnATerminal, CommandsAnswerAndSaveWhatWasSaid) {
  ReadUpTo("> ");
  Type("hello\r");
  ReadUpTo("answer");
  ReadUpTo("> ");
  Type("/save " + (directory_ / "talk.json").native() + "\r");
  ReadUpTo("saved to");
  ReadUpTo("> ");
  Type("/undo\r");
  ReadUpTo("0 questions are left");
  std::ifstream file(directory_ / "talk.json");
  const std::string saved{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(saved, HasSubstr("hello"));
  EXPECT_THAT(saved, Not(HasSubstr("/save")));
}

TEST_F(ChatOnATerminal, StatsAreOfTheConversationAsItIs) {
  ReadUpTo("> ");
  Type("hello\r");
  ReadUpTo("tokens/s");
  Type("/stats\r");
  EXPECT_THAT(ReadUpTo("context used"), HasSubstr("1 question, "));
  Type("/undo\r");
  ReadUpTo("taken back");
  Type("/stats\r");
  EXPECT_THAT(ReadUpTo("of context used"), AllOf(HasSubstr("0 questions, 0 of "), Not(HasSubstr("answer"))));
  std::ofstream(directory_ / "talk.json")
      << R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])";
  Type("/load " + (directory_ / "talk.json").native() + "\r");
  ReadUpTo("1 question loaded");
  Type("/stats\r");
  EXPECT_THAT(ReadUpTo("of context used"), AllOf(HasSubstr("1 question, "), Not(HasSubstr(" 0 of "))));
}

TEST_F(ChatOnATerminal, ALineOfSpacesIsNoQuestion) {
  ReadUpTo("> ");
  Type("   \r\r/stats\r");
  EXPECT_THAT(ReadUpTo("context used"), HasSubstr("0 questions"));
}

TEST_F(ChatOnATerminal, ABlockThatBeginsWithSlashesIsAQuestion) {
  ReadUpTo("> ");
  Type("\"\"\"\r// comment\rx\r\"\"\"\r");
  ReadUpTo("tokens/s");
  Type("/save " + (directory_ / "talk.json").native() + "\r");
  ReadUpTo("saved to");
  std::ifstream file(directory_ / "talk.json");
  const std::string saved{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(saved, HasSubstr(R"("// comment\nx")"));
}

TEST_F(ChatOnATerminal, AHistoryThatIsNoFileIsRefusedBeforeTheModelOpens) {
  ASSERT_EQ(::mkfifo((directory_ / "pipe").c_str(), 0600), 0);
  std::ofstream(directory_ / "large").seekp((16 << 20) + 1) << "x";
  std::filesystem::remove(directory_ / "m" / "config.json");  // opening it would fail otherwise
  for (const auto& [history, is] : {std::pair<std::filesystem::path, std::string>{"/dev/zero", "a device"},
                                    {directory_ / "pipe", "a pipe"},
                                    {directory_, "a directory"}}) {
    Stop();
    seen_.clear();
    Start(history);
    ReadUpTo("--history: " + history.native() + " is " + is + "; name a file");
    EXPECT_EQ(Wait(), 2);
  }
  Stop();
  Start(directory_ / "large");
  ReadUpTo("has 16777218 bytes, a history at most 16777216");
  EXPECT_EQ(Wait(), 2);
}

TEST_F(ChatOnATerminal, AFileThatIsNoHistoryIsRefusedAndKeepsItsBytes) {
  for (const std::string bytes : {"a thesis\n", "_HiStOrY_V2_ and a thesis\n", "_HiSt"}) {
    Stop();
    seen_.clear();
    std::ofstream(directory_ / "thesis") << bytes;
    Start(directory_ / "thesis");
    Type("/stats\r\x04");
    ReadUpTo("is no history of a chat; name another file");
    EXPECT_EQ(Wait(), 2);
    EXPECT_EQ(BytesOf(directory_ / "thesis"), bytes);
  }
}

TEST_F(ChatOnATerminal, ADamagedUsualHistoryIsLeftAsItIsAndTheChatGoesOn) {
  Stop();
  std::filesystem::create_directory(directory_ / "octet");
  std::ofstream(directory_ / "octet" / "chat_history") << "damaged\n";
  Start(std::nullopt);
  ReadUpTo("lines typed aren't kept: ");
  ReadUpTo("chat_history is no history of a chat");
  ReadUpTo("> ");
  Type("/stats\r");
  ReadUpTo("context used");
  Type("\x04");
  EXPECT_EQ(Wait(), 0);
  EXPECT_EQ(BytesOf(directory_ / "octet" / "chat_history"), "damaged\n");
}

TEST_F(ChatOnATerminal, AnEmptyFileAndTheHistoryOfAnEarlierChatAreTaken) {
  Stop();
  std::ofstream(directory_ / "octet").flush();  // empty
  for (const std::string line : {"/stats", "/help"}) {
    Stop();
    seen_.clear();
    Start(directory_ / "octet");
    ReadUpTo("> ");
    Type(line + "\r\x04");
    EXPECT_EQ(Wait(), 0);
  }
  EXPECT_EQ(BytesOf(directory_ / "octet"), "_HiStOrY_V2_\n/stats\n/help\n");
}

}  // namespace
}  // namespace octet
