#pragma once

#include <string_view>

/// Named points where a test makes the program misbehave on purpose. Compiled in with
/// FRONTDESK_FAILPOINTS only; set by the environment variable FRONTDESK_FAIL, e.g.
/// "commit_before_sync=crash@100,conversation_command=throw%1": `name=action[@N]` acts at the N-th
/// pass, `name=action%P` at P of 10,000 passes by chance. Actions: crash (the process dies at once,
/// as by SIGKILL), throw (the actor crashes), fail (the call returns an error).
namespace frontdesk::domain {

/// The pass at `name`: may not return, may throw; true when the caller shall fail.
bool failpoint(std::string_view name);

/// Replaces what the environment says, for tests within one process. Not while other threads pass
/// points.
void set_failpoints(std::string_view text);

/// What a point is where they are not compiled in.
constexpr bool no_failpoint() {
  return false;
}

} // namespace frontdesk::domain

#ifdef FRONTDESK_FAILPOINTS
#define FRONTDESK_FAILPOINT(name) ::frontdesk::domain::failpoint(name)
#else
#define FRONTDESK_FAILPOINT(name) ::frontdesk::domain::no_failpoint()
#endif
