#pragma once

#include "net/event_loop.hpp"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

/// For tests that turn a real event loop: they wait for conditions, never for time to pass.
namespace weir::test {

/// Nothing here takes long; this is for machines that are busy and sanitizers that are slow.
inline constexpr std::chrono::seconds kPatience{20};

/// Notes that a deadline has passed.
struct Alarm final : net::DeadlineListener {
    void on_deadline(net::Deadline& /*deadline*/) override { count += 1; }

    int count = 0;
    net::Deadline deadline{*this};
};

/// Turns the loop until the condition holds, sleeping in the kernel between events.
///
/// @param holds may only become true by something that happens on the loop
/// @return false when `patience` ran out first
template <class Condition>
[[nodiscard]] bool turn_until(net::EventLoop& loop,
                              Condition&& holds,
                              std::chrono::milliseconds patience = kPatience) {
    Alarm alarm;
    loop.set_deadline(alarm.deadline, Clock::now() + patience);
    while (!holds()) {
        if (alarm.count > 0) {
            return false;
        }
        uv_run(loop.raw(), UV_RUN_ONCE);
    }
    return true;
}

/// Turns the loop for a short while, for what must not happen.
inline void turn_for(net::EventLoop& loop, std::chrono::milliseconds time) {
    static_cast<void>(turn_until(
        loop, [] { return false; }, time));
}

/// A folder of its own for one test, removed at its end.
class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "weir-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }

    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    TemporaryFolder(TemporaryFolder&&) = delete;
    TemporaryFolder& operator=(TemporaryFolder&&) = delete;

    ~TemporaryFolder() { std::filesystem::remove_all(path_); }

    [[nodiscard]] std::string file(const std::string& name) const {
        return (path_ / name).string();
    }

private:
    std::filesystem::path path_;
};

}  // namespace weir::test
