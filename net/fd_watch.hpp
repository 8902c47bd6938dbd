#pragma once

#include "net/event_loop.hpp"
#include "net/uv_box.hpp"

#include <cstdint>
#include <functional>

namespace weir::net {

/// Watches a descriptor that somebody else owns, reads and writes: a library with a socket of its
/// own. Destroy it before the descriptor is closed.
///
/// @thread its loop's
class FdWatch {
public:
    enum class Until : std::uint8_t { Readable, Writable };

    /// @param on_ready runs whenever it is what is waited for; may destroy the watch
    FdWatch(EventLoop& loop, int fd, std::function<void()> on_ready);
    FdWatch(const FdWatch&) = delete;
    FdWatch& operator=(const FdWatch&) = delete;
    FdWatch(FdWatch&&) = delete;
    FdWatch& operator=(FdWatch&&) = delete;
    ~FdWatch() = default;

    /// @return whether it can be watched at all
    [[nodiscard]] bool is_open() const { return poll_.is_open(); }

    void wait(Until until);
    void stop();

private:
    static void on_poll_trampoline(uv_poll_t* handle, int status, int events) noexcept;

    EventLoop& loop_;
    std::function<void()> on_ready_;
    UvBox<uv_poll_t> poll_;
};

}  // namespace weir::net
