#include "engine/chat/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "engine/chat/chat_input.h"

namespace octet {
namespace {

using testing::HasSubstr;

std::string Spoken(const Conversation& conversation) {
  std::string text;
  for (const ChatMessage& message : conversation.messages()) text += message.role + "=" + message.content + ";";
  return text;
}

Conversation TwoTurns() {
  Conversation conversation;
  conversation.SetSystem("s");
  conversation.Ask("a");
  conversation.Answer("b");
  conversation.Ask("c");
  conversation.Answer("d");
  return conversation;
}

TEST(Conversation, UndoTakesBackAQuestionWithItsAnswer) {
  Conversation conversation = TwoTurns();
  EXPECT_TRUE(conversation.Undo());
  EXPECT_EQ(Spoken(conversation), "system=s;user=a;assistant=b;");
  EXPECT_TRUE(conversation.Undo());
  EXPECT_FALSE(conversation.Undo());
  EXPECT_EQ(Spoken(conversation), "system=s;");
}

TEST(Conversation, ReopenedQuestionsStandWithoutAnswer) {
  Conversation conversation = TwoTurns();
  EXPECT_TRUE(conversation.ReopenQuestion());
  EXPECT_EQ(Spoken(conversation), "system=s;user=a;assistant=b;user=c;");
  EXPECT_TRUE(conversation.ReopenQuestion());
  EXPECT_FALSE(Conversation().ReopenQuestion());
}

TEST(Conversation, SavedOnesLoadTheSame) {
  const auto path =
      std::filesystem::temp_directory_path() / ("octet_conversation_" + std::to_string(getpid()) + ".json");
  Conversation conversation = TwoTurns();
  conversation.Ask("quotes \" and \n lines, äöü");
  ASSERT_TRUE(conversation.Save(path).has_value());
  EXPECT_EQ(Spoken(*Conversation::Load(path)), Spoken(conversation));
  std::ofstream(path) << R"([{"role": "tool", "content": "x"}])";
  EXPECT_THAT(Conversation::Load(path).error().message, HasSubstr("`tool`"));
  std::ofstream(path) << R"({"messages": 3})";
  EXPECT_EQ(Conversation::Load(path).error().code, ErrorCode::kCorrupt);
  std::filesystem::remove(path);
}

// Of the message that the line ends.
std::optional<std::string> TextOf(std::optional<TypedMessage> message) {
  return message ? std::optional(std::move(message->text)) : std::nullopt;
}

TEST(MessageReader, ALineIsAMessage) {
  MessageReader reader;
  EXPECT_EQ(TextOf(reader.Push("hello")), "hello");
  EXPECT_EQ(TextOf(reader.Push("")), "");
}

TEST(MessageReader, ABackslashAtTheEndGoesOnInTheNextLine) {
  MessageReader reader;
  EXPECT_EQ(TextOf(reader.Push("one\\")), std::nullopt);
  EXPECT_TRUE(reader.waiting());
  EXPECT_EQ(TextOf(reader.Push("two\\")), std::nullopt);
  EXPECT_EQ(TextOf(reader.Push("three")), "one\ntwo\nthree");
  EXPECT_FALSE(reader.waiting());
}

TEST(MessageReader, ThreeQuotesBeginAndEndABlock) {
  MessageReader reader;
  EXPECT_EQ(TextOf(reader.Push("\"\"\"")), std::nullopt);
  EXPECT_EQ(TextOf(reader.Push("/not a command\\")), std::nullopt);
  EXPECT_EQ(TextOf(reader.Push("")), std::nullopt);
  EXPECT_EQ(TextOf(reader.Push("end")), std::nullopt);
  EXPECT_EQ(TextOf(reader.Push("\"\"\"")), "/not a command\\\n\nend");
  EXPECT_EQ(TextOf(reader.Push("\"\"\"all on one line\"\"\"")), "all on one line");
  EXPECT_EQ(TextOf(reader.Push("\"\"\"first")), std::nullopt);
  EXPECT_EQ(TextOf(reader.Push("last\"\"\"")), "first\nlast");
}

TEST(MessageReader, ABlockIsSentAsItStands) {
  for (const std::string text : {"// comment", "/* a */", "/undo"}) {
    MessageReader reader;
    reader.Push("\"\"\"");
    reader.Push(text);
    const std::optional<TypedMessage> block = reader.Push("\"\"\"");
    ASSERT_TRUE(block.has_value());
    const Result<std::optional<ChatCommand>> command = ParseChatCommand(*block);
    ASSERT_TRUE(command.has_value());
    EXPECT_FALSE(command->has_value());
    EXPECT_EQ(MessageText(*block), text);
    EXPECT_FALSE(reader.Push("line")->is_block);
  }
}

TEST(MessageReader, WhiteSpaceAloneIsNothingToSend) {
  for (const char* line : {"", "  ", "\t \n"}) EXPECT_TRUE(IsBlank({line})) << line;
  EXPECT_FALSE(IsBlank({" a "}));
  EXPECT_FALSE(IsBlank({.text = " \n ", .is_block = true}));
  EXPECT_TRUE(IsBlank({.text = "", .is_block = true}));
}

TEST(MessageReader, AClearedReaderBeginsAnew) {
  MessageReader reader;
  reader.Push("lost\\");
  reader.Clear();
  EXPECT_EQ(TextOf(reader.Push("kept")), "kept");
}

TEST(ChatCommand, NamesAndArgumentsAreTold) {
  EXPECT_EQ((*ParseChatCommand({"/save  talk file.json "}))->argument, "talk file.json");
  EXPECT_EQ((*ParseChatCommand({"/system"}))->action, ChatAction::kSystem);
  EXPECT_EQ((*ParseChatCommand({"/system be brief\nand kind"}))->argument, "be brief\nand kind");
  EXPECT_FALSE(ParseChatCommand({"what is 1/2?"})->has_value());
  EXPECT_FALSE(ParseChatCommand({"//etc"})->has_value());
  EXPECT_EQ(MessageText({"//etc"}), "/etc");
  EXPECT_EQ(MessageText({"etc"}), "etc");
}

TEST(ChatCommand, MistakesNameWhatIsMeant) {
  EXPECT_THAT(ParseChatCommand({"/retyr"}).error().message, HasSubstr("did you mean `/retry`?"));
  EXPECT_THAT(ParseChatCommand({"/load"}).error().message, HasSubstr("/load FILE"));
  EXPECT_THAT(ParseChatCommand({"/undo all"}).error().message, HasSubstr("takes nothing"));
}

TEST(ChatCommand, HelpListsEveryCommand) {
  for (const char* name : {"/system", "/retry", "/undo", "/save", "/load", "/stats", "/help"})
    EXPECT_THAT(ChatHelp(), HasSubstr(name));
}

}  // namespace
}  // namespace octet
