// A listener that holds the engine's thread, for tests of what waits behind it.
#pragma once

#include <future>
#include <optional>
#include <utility>

#include "engine/schedule/scheduler.h"

namespace octet {

// Holds the engine's thread in its first event until let go, so that the queue behind it stands still.
class Gate {
 public:
  OnEvent ear() {
    return [this](ChoiceEvent event) {
      if (!std::exchange(is_reached_, true)) {
        reached_.set_value();
        opened_.get_future().wait();
      }
      if (event.finish) finish_ = event.finish;
    };
  }
  void WaitUntilReached() { reached_.get_future().wait(); }
  void Open() { opened_.set_value(); }
  std::optional<FinishReason> finish() const { return finish_; }  // after the loop's end

 private:
  bool is_reached_ = false;
  std::promise<void> reached_, opened_;
  std::optional<FinishReason> finish_;
};

}  // namespace octet
