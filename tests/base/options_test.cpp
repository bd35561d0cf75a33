#include "base/options.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/options_help.h"
#include "base/options_reader.h"

namespace octet {
namespace {

struct Sampling {
  std::optional<double> temperature;
  std::vector<std::string> stop;
  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&Sampling::temperature, "temperature", "0 is greedy", Between{0, 100});
    visit(&Sampling::stop, "stop", "text that ends the answer");
  }
};

struct Example {
  int max_batch = 4;
  uint64_t seed = 0;
  std::string load = "map";
  std::filesystem::path output;
  bool raw = false;
  bool special = true;
  std::vector<int> threads = {1, 2};
  std::filesystem::path config;
  Sampling sampling;
  template <class Visit>
  static void Describe(Visit&& visit) {
    visit(&Example::max_batch, "max-batch", "requests decoded together", Between{1, 256});
    visit(&Example::seed, "seed", "same seed, same text");
    visit(&Example::load, "load", "how weights are held", OneOf{{"map", "copy"}});
    visit(&Example::output, "output", "directory to write", Short{'o'}, Takes{"DIR"});
    visit(&Example::raw, "raw", "no chat template");
    visit(&Example::special, "special", "add special tokens");
    visit(&Example::threads, "threads", "to measure with", Between{1, 1024});
    visit(&Example::config, "config", "YAML file");
    visit(&Example::sampling);
  }
};

Result<std::vector<std::string>> Read(std::vector<std::string> words, Example& options,
                                      std::map<std::string, std::string> environment = {}) {
  return ReadOptions({words, std::move(environment), "octet example --help"}, options);
}

std::string Complaint(std::vector<std::string> words, std::map<std::string, std::string> environment = {}) {
  Example options;
  const auto read = Read(std::move(words), options, std::move(environment));
  return read ? "none" : read.error().message;
}

TEST(Options, FlagsFillMembersAndTheRestAreWords) {
  Example options;
  const auto words = Read({"MODEL", "--max-batch=8", "--load", "copy", "--raw", "--no-special", "-o", "out",
                           "--threads", "4,8", "--temperature", "0.5", "--stop", "a,b", "--stop", "c", "--", "--raw"},
                          options);
  ASSERT_TRUE(words) << words.error().message;
  EXPECT_EQ(*words, (std::vector<std::string>{"MODEL", "--raw"}));
  EXPECT_EQ(options.max_batch, 8);
  EXPECT_EQ(options.load, "copy");
  EXPECT_TRUE(options.raw);
  EXPECT_FALSE(options.special);
  EXPECT_EQ(options.output, "out");
  EXPECT_EQ(options.threads, (std::vector<int>{4, 8}));
  EXPECT_EQ(options.sampling.temperature, 0.5);
  EXPECT_EQ(options.sampling.stop, (std::vector<std::string>{"a,b", "c"}));
}

TEST(Options, FileGoesBeforeDefaultEnvironmentBeforeFileFlagBeforeEnvironment) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / Cat("octet-options-", ::getpid(), ".yaml");
  ASSERT_TRUE(WriteFileAtomically(file, "max-batch: 5\nseed: 6\nload: copy\nthreads: [3, 4]\n"));
  Example options;
  const auto words =
      Read({"--config", file.string(), "--load", "map"}, options, {{"OCTET_SEED", "9"}, {"OCTET_LOAD", "copy"}});
  std::filesystem::remove(file);
  ASSERT_TRUE(words) << words.error().message;
  EXPECT_EQ(options.max_batch, 5);
  EXPECT_EQ(options.seed, 9u);
  EXPECT_EQ(options.load, "map");
  EXPECT_EQ(options.threads, (std::vector<int>{3, 4}));
}

TEST(Options, WrongInputIsNamedWithWhatIsExpected) {
  EXPECT_EQ(Complaint({"--max-batch", "0"}), "--max-batch: 0 is outside 1..256");
  EXPECT_EQ(Complaint({"--max-batch", "ten"}), "--max-batch: `ten` is not a whole number");
  EXPECT_EQ(Complaint({"--max-batch", ""}), "--max-batch: `` is not a whole number");
  EXPECT_EQ(Complaint({"--max-batch", "99999999999"}), "--max-batch: 99999999999 is outside 1..256");
  EXPECT_EQ(Complaint({"--threads", "2,-1"}), "--threads: -1 is outside 1..1024");
  EXPECT_EQ(Complaint({"--load", "map", "--load=copy"}), "--load was given twice; it is one value, leave one out");
  EXPECT_EQ(Complaint({"--raw", "--no-raw"}), "--raw was given twice; it is one value, leave one out");
  EXPECT_EQ(Complaint({"--threads", "2", "--threads", "1"}), "none");
  EXPECT_EQ(Complaint({"--seed", "-1"}), "--seed: -1 is outside 0..18446744073709551615");
  EXPECT_EQ(Complaint({"--seed", "18446744073709551616"}),
            "--seed: 18446744073709551616 is outside 0..18446744073709551615");
  EXPECT_EQ(Complaint({"--seed", "18446744073709551615"}), "none");
  EXPECT_EQ(Complaint({"--temperature", "nan"}), "--temperature: `nan` is not a number");
  EXPECT_EQ(Complaint({"--load", "mapp"}), "--load: `mapp` is not one of map, copy; did you mean `map`?");
  EXPECT_EQ(Complaint({"--threads", "1,,2"}), "--threads: `` is not a whole number");
  EXPECT_EQ(Complaint({}, {{"OCTET_RAW", "maybe"}}), "OCTET_RAW: `maybe` is neither true nor false");
}

TEST(Options, UnknownFlagNamesTheNearest) {
  EXPECT_EQ(Complaint({"--max-bach", "1"}),
            "unknown option --max-bach; did you mean --max-batch? `octet example --help` lists all");
  EXPECT_EQ(Complaint({"--no-specal"}),
            "unknown option --no-specal; did you mean --no-special? `octet example --help` lists all");
  EXPECT_EQ(Complaint({"-x"}), "unknown option -x; `octet example --help` lists all");
  EXPECT_EQ(Complaint({"--no-load"}),
            "unknown option --no-load; did you mean --load? `octet example --help` lists all");
}

TEST(Options, AValueMayBeginWithADashButNotBeAKnownFlag) {
  Example options;
  ASSERT_TRUE(Read({"--stop", "--", "--stop", "-1"}, options).has_value() == false);
  EXPECT_EQ(Complaint({"--load", "--raw"}), "--load needs a value: --load TEXT");
  EXPECT_EQ(Complaint({"--load"}), "--load needs a value: --load TEXT");
  ASSERT_TRUE(Read({"--stop", "-1"}, options));
  EXPECT_EQ(options.sampling.stop.back(), "-1");
}

Status Yaml(std::string_view text) {
  Example options;
  return ReadYamlOptions(text, "o.yaml", OptionList<Example>(), &options);
}

TEST(Options, YamlKeysAreCheckedLikeFlags) {
  EXPECT_TRUE(Yaml(""));
  EXPECT_EQ(Yaml("max-bach: 1").error().message, "o.yaml: unknown key `max-bach`; did you mean `max-batch`?");
  EXPECT_EQ(Yaml("max-batch: 1\nmax-batch: 2").error().message, "o.yaml: the key `max-batch` stands there twice");
  EXPECT_EQ(Yaml("max-batch: [1]").error().message, "o.yaml: `max-batch` takes one value");
  EXPECT_EQ(Yaml("max-batch: 300").error().message, "o.yaml: `max-batch`: 300 is outside 1..256");
  EXPECT_EQ(Yaml("- 1").error().message, "o.yaml: a mapping of option names to values is expected");
  EXPECT_EQ(Yaml("threads: [[1]]").error().message,
            "o.yaml: `threads`: a list inside the list; single values are expected");
  EXPECT_EQ(Yaml("? [a]\n: 1").error().message, "o.yaml: a key is not a text");
}

TEST(Options, HelpShowsLimitsChoicesDefaultsAndTheFormThatChangesSomething) {
  const std::string help = HelpText(OptionList<Example>());
  EXPECT_NE(help.find("  --max-batch N      requests decoded together, 1..256 (default 4)\n"), std::string::npos)
      << help;
  EXPECT_NE(help.find("  --load TEXT        how weights are held, map|copy (default map)\n"), std::string::npos)
      << help;
  EXPECT_NE(help.find("  -o, --output DIR   directory to write\n"), std::string::npos) << help;
  EXPECT_NE(help.find("  --no-special       add special tokens (on by default)\n"), std::string::npos) << help;
  EXPECT_NE(help.find("(default 1,2)"), std::string::npos) << help;
}

TEST(Options, VariablesAreNamedAfterFlags) { EXPECT_EQ(OptionList<Example>()[0].Variable(), "OCTET_MAX_BATCH"); }

TEST(Options, ASecondYamlDocumentIsRefusedWithItsLine) {
  for (const std::string text :
       {"a: 1\n---\nb: 2\n", "---\na: 1\n---\n", "# c\n%YAML 1.2\n---\na: 1\n...\nb: 2\n", "--- {}\n--- {}\n"}) {
    Example options;
    const Status read = ReadYamlOptions(text, "o.yaml", OptionList<Example>(), &options);
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_NE(read.error().message.find("a second YAML document begins"), std::string::npos) << read.error().message;
  }
  Example options;
  EXPECT_TRUE(
      ReadYamlOptions("# none\n---\n# still none\n...\n", "o.yaml", OptionList<Example>(), &options).has_value());
  // yaml-cpp counts documents of this without end.
  EXPECT_FALSE(ReadYamlOptions(",a", "o.yaml", OptionList<Example>(), &options).has_value());
}

}  // namespace
}  // namespace octet
