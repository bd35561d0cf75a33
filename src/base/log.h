// What long-running work says beside its result. The library is silent until the program chooses a sink.
//
//   LogWarning(path, ": pack is for tier avx512, this CPU has avx2; it is rebuilt");
//   SetLogSink([](LogLevel level, std::string_view message) { ... });   // in main, before threads start
#pragma once

#include <functional>
#include <string_view>

#include "base/cat.h"

namespace octet {

enum class LogLevel { kDebug, kInfo, kWarning };

using LogSink = std::function<void(LogLevel, std::string_view message)>;

// Messages below `least` are not even put together. An empty sink silences all. Calls of the sink never overlap.
void SetLogSink(LogSink sink, LogLevel least = LogLevel::kWarning);

bool LogWanted(LogLevel level);
void Log(LogLevel level, std::string_view message);
// Not where the sink has been given the same message before.
void LogOnce(LogLevel level, std::string_view message);

template <class... Parts>
void LogDebug(const Parts&... parts) {
  if (LogWanted(LogLevel::kDebug)) Log(LogLevel::kDebug, Cat(parts...));
}
template <class... Parts>
void LogInfo(const Parts&... parts) {
  if (LogWanted(LogLevel::kInfo)) Log(LogLevel::kInfo, Cat(parts...));
}
template <class... Parts>
void LogWarning(const Parts&... parts) {
  if (LogWanted(LogLevel::kWarning)) Log(LogLevel::kWarning, Cat(parts...));
}
// For what every reader of a model would say again, of which a program may have several.
template <class... Parts>
void LogWarningOnce(const Parts&... parts) {
  if (LogWanted(LogLevel::kWarning)) LogOnce(LogLevel::kWarning, Cat(parts...));
}

}  // namespace octet
