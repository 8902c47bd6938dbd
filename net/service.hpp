#pragma once

#include "net/fd.hpp"

#include <chrono>
#include <string>
#include <vector>

/// What the service manager (systemd) hears from us and has for us. Without one nothing here does
/// anything. The only <systemd/sd-daemon.h>.
namespace weir::net {

/// Takes the listening sockets that were opened for this process (LISTEN_FDS). Once, at the start,
/// before there are threads.
/// @return only sockets that listen for streams, not blocking; others are closed, and named in
/// `problems`
[[nodiscard]] std::vector<Fd> take_inherited_sockets(std::vector<std::string>& problems);

/// @return how often the service manager wants to hear that all is well; zero = never
[[nodiscard]] std::chrono::microseconds watchdog_interval();

/// Everything listens: clients may come.
void notify_ready(const std::string& status);
/// A reload begins; notify_ready() follows when it is over.
void notify_reloading();
void notify_stopping(const std::string& status);
/// One line for `systemctl status`.
void notify_status(const std::string& status);
/// All is well. Only to be said when every event loop has turned since the last time.
void notify_alive();

}  // namespace weir::net
