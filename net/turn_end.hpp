#pragma once

#include "net/event_loop.hpp"
#include "net/uv_box.hpp"

#include <functional>

namespace weir::net {

/// Runs something once at the end of a turn of the loop, before it waits: what was gathered during
/// the turn then leaves in one write.
///
/// @thread its loop's; destroyed, it runs nothing more
class TurnEnd {
public:
    /// @param on_end runs once for each turn in which arm() was called; may destroy this
    TurnEnd(EventLoop& loop, std::function<void()> on_end);
    TurnEnd(const TurnEnd&) = delete;
    TurnEnd& operator=(const TurnEnd&) = delete;
    TurnEnd(TurnEnd&&) = delete;
    TurnEnd& operator=(TurnEnd&&) = delete;
    ~TurnEnd() = default;

    /// Asks for this turn's end; more than once is once.
    void arm();

private:
    static void on_prepare_trampoline(uv_prepare_t* handle) noexcept;

    EventLoop& loop_;
    std::function<void()> on_end_;
    UvBox<uv_prepare_t> prepare_;  // libuv calls it between the timers and the wait
};

}  // namespace weir::net
