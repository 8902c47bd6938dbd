#include "net/service.hpp"

#include "net/socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include <cstdint>
#include <ctime>

namespace weir::net {

namespace {

/// What cannot be told is not our problem: the service manager acts on what it hears.
void notify(const std::string& text) {
    static_cast<void>(::sd_notify(/*unset_environment=*/0, text.c_str()));
}

/// systemd tells apart by this clock what it hears from before and after it asked for a reload.
std::uint64_t monotonic_us() {
    constexpr std::uint64_t kMicrosecondsPerSecond = 1'000'000;
    constexpr std::uint64_t kNanosecondsPerMicrosecond = 1'000;
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kMicrosecondsPerSecond +
           static_cast<std::uint64_t>(now.tv_nsec) / kNanosecondsPerMicrosecond;
}

/// A line break would begin another assignment.
std::string one_line(std::string text) {
    for (char& c : text) {
        c = c == '\n' ? ' ' : c;
    }
    return text;
}

}  // namespace

std::vector<Fd> take_inherited_sockets(std::vector<std::string>& problems) {
    std::vector<Fd> sockets;
    const int count = ::sd_listen_fds(/*unset_environment=*/1);
    if (count < 0) {
        problems.push_back("LISTEN_FDS: " + error_text(-count));
    }
    for (int i = 0; i < count; ++i) {
        Fd fd{SD_LISTEN_FDS_START + i};
        if (::sd_is_socket(fd.get(), AF_UNSPEC, SOCK_STREAM, /*listening=*/1) <= 0) {
            problems.push_back("descriptor " + std::to_string(fd.get()) +
                               " is no socket that listens for streams");
            continue;
        }
        ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
        sockets.push_back(std::move(fd));
    }
    return sockets;
}

std::chrono::microseconds watchdog_interval() {
    std::uint64_t us = 0;
    const bool is_wanted = ::sd_watchdog_enabled(/*unset_environment=*/0, &us) > 0;
    return std::chrono::microseconds{is_wanted ? us : 0};
}

void notify_ready(const std::string& status) {
    notify("READY=1\nSTATUS=" + one_line(status));
}

void notify_reloading() {
    notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_us()) +
           "\nSTATUS=reloading the configuration");
}

void notify_stopping(const std::string& status) {
    notify("STOPPING=1\nSTATUS=" + one_line(status));
}

void notify_status(const std::string& status) {
    notify("STATUS=" + one_line(status));
}

void notify_alive() {
    notify("WATCHDOG=1");
}

}  // namespace weir::net
