#pragma once

#include <string_view>

/// The service manager's notification socket (sd_notify(3)), where there is one.
namespace frontdesk::app {

/// Sends lines such as "READY=1" to $NOTIFY_SOCKET; does nothing without it. Never blocks. Any
/// thread.
void notify_service_manager(std::string_view state);

} // namespace frontdesk::app
