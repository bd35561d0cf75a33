#include "octet/version.h"

#include "kernels/cpu.h"
#include "version_info.h"

namespace octet {

BuildInfo ThisBuild() {
  BuildInfo build{.version = kVersion, .commit = kCommit, .compiler = kCompiler, .build_type = kBuildType, .tiers = {}};
  for (const kernels::TierSupport& tier : kernels::SupportedTiers()) build.tiers.emplace_back(tier.name);
  return build;
}

}  // namespace octet
