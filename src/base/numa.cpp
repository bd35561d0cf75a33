#include "base/numa.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

namespace octet {
namespace {

constexpr int kCpuLimit = 1 << 16;

std::optional<int> ParseNumber(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0 || number >= kCpuLimit)
    return std::nullopt;
  return number;
}

// "8" or "4-7".
bool AppendRange(std::string_view range, std::vector<int>& cpus) {
  const size_t dash = range.find('-');
  const std::optional<int> first = ParseNumber(range.substr(0, dash));
  const std::optional<int> last = dash == std::string_view::npos ? first : ParseNumber(range.substr(dash + 1));
  if (!first || !last || *last < *first || (!cpus.empty() && *first <= cpus.back())) return false;
  for (int cpu = *first; cpu <= *last; ++cpu) cpus.push_back(cpu);
  return true;
}

}  // namespace

Result<std::vector<int>> ParseCpuList(std::string_view text) {
  std::vector<int> cpus;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t comma = rest.find(',');
    if (!AppendRange(rest.substr(0, comma), cpus) || comma + 1 == rest.size())
      return Fail(ErrorCode::kCorrupt, "`", text, "` is no list of CPUs as in 0-3,8");
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return cpus;
}

Result<std::vector<NumaNode>> ReadNumaNodes(const std::filesystem::path& folder) {
  std::vector<NumaNode> nodes;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().native();
    const std::optional<int> id = name.starts_with("node") ? ParseNumber(name.substr(4)) : std::nullopt;
    if (!id) continue;
    const std::filesystem::path file = entry.path() / "cpulist";
    std::string text;
    std::ifstream stream(file);
    std::getline(stream, text);
    Result<std::vector<int>> cpus = ParseCpuList(text);
    if (!cpus) return Prefixed(std::move(cpus).error(), file.native() + ": ");
    if (!cpus->empty()) nodes.push_back({.id = *id, .cpus = std::move(*cpus)});
  }
  std::sort(nodes.begin(), nodes.end(), [](const NumaNode& a, const NumaNode& b) { return a.id < b.id; });
  return nodes;
}

std::vector<NumaNode> UsableNodes(std::vector<NumaNode> nodes) {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (::sched_getaffinity(0, sizeof usable, &usable) != 0) return nodes;
  for (NumaNode& node : nodes)
    std::erase_if(node.cpus, [&](int cpu) { return cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &usable); });
  std::erase_if(nodes, [](const NumaNode& node) { return node.cpus.empty(); });
  return nodes;
}

int CurrentCpu() { return ::sched_getcpu(); }

std::vector<std::vector<int>> PlanThreads(const std::vector<NumaNode>& nodes, NumaMode mode, size_t threads,
                                          int current_cpu) {
  std::vector<std::vector<int>> plan;
  if (mode == NumaMode::kOff || nodes.size() < 2) return plan;
  if (mode == NumaMode::kIsolate) {
    const auto home = std::find_if(nodes.begin(), nodes.end(), [&](const NumaNode& node) {
      return std::find(node.cpus.begin(), node.cpus.end(), current_cpu) != node.cpus.end();
    });
    plan.assign(threads, home == nodes.end() ? nodes.front().cpus : home->cpus);
    return plan;
  }
  size_t all = 0;
  for (const NumaNode& node : nodes) all += node.cpus.size();
  size_t node = 0, behind = nodes.front().cpus.size();  // CPUs of the nodes up to this one
  for (size_t thread = 0; thread < threads; ++thread) {
    // The CPU that the thread would have if CPUs were shared out in order.
    for (const size_t cpu = thread * all / threads; cpu >= behind; behind += nodes[node].cpus.size()) ++node;
    plan.push_back(nodes[node].cpus);
  }
  return plan;
}

}  // namespace octet
