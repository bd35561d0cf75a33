// SIGINT, SIGTERM and SIGHUP as a wish to stop: the first sets the flag, a second SIGINT ends the process at once. A
// SIGHUP that was ignored before, as nohup does, stays ignored.
//
//   CatchSignals(cancel);
//   ...
//   if (LastSignal() != 0) return 128 + LastSignal();
//
// SIGPIPE is ignored: a reader that left shows as EPIPE at the write. SIGXFSZ too: a file-size limit shows as EFBIG.
#pragma once

#include "base/cancel.h"

namespace octet::cli {

// The flag must outlive the process' work.
void CatchSignals(CancelFlag& cancel);

// For a verb that takes no steps between which to poll, and leaves nothing half done: the next signal ends the process
// at once, and so does one that came before.
void LetSignalsEnd();

// The one of them that came last; 0 if none did.
int LastSignal();
// Whether it asks the program to end, not only what it's doing: SIGTERM and SIGHUP.
bool IsAskedToEnd();

// After a verb took the signal as its own, as a chat does with an answer that is stopped.
void ForgetSignal();

}  // namespace octet::cli
