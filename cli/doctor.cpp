// `octet doctor`: what this machine can run, whether the kernels compute what they should, and what was built in.
#include <unistd.h>

#include "base/json_text.h"
#include "base/numa.h"
#include "base/thread_pool.h"
#include "cli/help.h"
#include "cli/verb.h"
#include "kernels/cpu.h"
#include "kernels/self_test.h"
#include "serve/http/http_server.h"

namespace octet::cli {
namespace {

Json TierJson(const kernels::TierSupport& support) {
  Json tier{{"name", support.name}, {"runs", support.missing.empty()}};
  if (!support.missing.empty()) tier["missing"] = support.missing;
  tier["active"] = support.name == kernels::ActiveKernels().name;
  return tier;
}

Json TestsJson(const kernels::KernelTable& table, bool& passed) {
  Json tests = Json::array();
  for (const kernels::SelfTestResult& result : kernels::SelfTest(table)) {
    passed = passed && result.passed();
    tests.push_back(
        {{"kernel", result.kernel}, {"error", result.error}, {"bound", result.bound}, {"passed", result.passed()}});
  }
  return tests;
}

// Nodes with CPUs for this process, or what kept them from being read.
Json NodesJson() {
  const Result<std::vector<NumaNode>> nodes = ReadNumaNodes();
  if (!nodes) return nodes.error().message;
  Json list = Json::array();
  for (const NumaNode& node : UsableNodes(*nodes)) list.push_back({{"node", node.id}, {"cpus", node.cpus}});
  return list;
}

Json Examine(bool& passed) {
  Json tiers = Json::array();
  for (const kernels::TierSupport& support : kernels::SupportedTiers()) {
    Json tier = TierJson(support);
    for (const kernels::KernelTable* table : kernels::AvailableTiers()) {
      if (support.name == table->name) tier["self_test"] = TestsJson(*table, passed);
    }
    tiers.push_back(std::move(tier));
  }
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  Json features = Json::array();
  for (const std::string_view feature : kernels::CpuFeatureNames()) features.push_back(feature);
  const std::string version = VersionText();
  return {{"version", version.substr(0, version.find('\n'))},
          {"cpu", kernels::CpuModelName()},
          {"features", std::move(features)},
          {"cores", ThreadPool::AvailableCores()},
          {"nodes", NodesJson()},
          {"memory_bytes", page * static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES))},
          {"tls", serve::HasTls()},
          {"tiers", std::move(tiers)},
          {"passed", passed}};
}

std::string TierLine(const Json& tier) {
  std::string line = Cat("  ", tier["name"].get<std::string>(), "  ");
  if (!tier["runs"].get<bool>()) return Cat(line, "needs ", tier["missing"].get<std::string>(), "\n");
  size_t failed = 0;
  std::string wrong;
  for (const Json& test : tier["self_test"]) {
    if (test["passed"].get<bool>()) continue;
    ++failed;
    wrong += Cat("    wrong: ", test["kernel"].get<std::string>(), " differs by ", Dump(test["error"]), ", at most ",
                 Dump(test["bound"]), " is allowed\n");
  }
  line += failed == 0 ? Cat("runs, ", tier["self_test"].size(), " kernels agree with the definition")
                      : Cat(failed, " of ", tier["self_test"].size(), " kernels are wrong");
  return Cat(line, tier["active"].get<bool>() ? "; in use" : "", "\n", wrong);
}

std::string NodesText(const Json& nodes) {
  if (nodes.is_string()) return nodes.get<std::string>();
  if (nodes.size() < 2) return "one; --numa changes nothing";
  std::string text = Cat(nodes.size(), " with");
  for (const Json& node : nodes) text += Cat(" ", node["cpus"].size());
  return text + " CPUs; --numa distribute or isolate ties threads to them";
}

std::string Text(const Json& report) {
  std::string features;
  for (const Json& feature : report["features"]) features += Cat(" ", feature.get<std::string>());
  std::string text =
      Cat(report["version"].get<std::string>(), "\nCPU     ", report["cpu"].get<std::string>(), ", ",
          report["cores"].get<uint64_t>(), " cores for this process\n        ",
          features.empty() ? "" : features.substr(1), "\nmemory  ", report["memory_bytes"].get<uint64_t>() >> 20,
          " MiB\nnodes   ", NodesText(report["nodes"]), "\nTLS     ",
          report["tls"].get<bool>() ? "built in; `octet serve --tls-cert` encrypts" : "not built in (OCTET_TLS)",
          "\ntiers\n");
  for (const Json& tier : report["tiers"]) text += TierLine(tier);
  return text;
}

Status Doctor(const NoOptions&, Invocation& call) {
  bool passed = true;
  const Json report = Examine(passed);
  OCTET_TRY(call.json() ? call.PrintJson(report) : call.Print(Text(report)));
  if (!passed)
    return Fail(ErrorCode::kInternal, "a kernel computes wrong results on this CPU; force another tier with OCTET_CPU");
  return {};
}

const RegisterVerb kDoctor(
    MakeVerb<NoOptions>({.name = "doctor",
                         .words = "",
                         .summary = "what this CPU runs, whether the kernels are right, what was built",
                         .example = "OCTET_CPU=avx2 octet doctor"},
                        Doctor));

}  // namespace
}  // namespace octet::cli
