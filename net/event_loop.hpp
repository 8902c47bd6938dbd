#pragma once

#include "base/check.hpp"
#include "net/timing_wheel.hpp"
#include "net/uv_box.hpp"

#include <uv.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

namespace weir::net {

/// One thread's event loop: libuv's loop, the timing wheel, the shared read buffer, a mailbox and
/// deferred deletion.
///
/// Created and destroyed by the thread that owns it; run() makes the calling thread the loop's. The
/// destructor closes what is the loop's own and asserts that nobody left a handle behind
/// (uv_loop_close() == 0). Only post() and stop() may be called from other threads.
class EventLoop {
public:
    using Task = std::function<void()>;

    EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    EventLoop(EventLoop&&) = delete;
    EventLoop& operator=(EventLoop&&) = delete;
    ~EventLoop();

    /// Turns until stop(); may be called again.
    void run();
    /// Makes run() return after the current turn. Thread: any.
    void stop();
    /// Turns without waiting until nothing is left to do at once: for tests and for closing.
    void run_pending();

    /// Runs `task` on this loop's thread in a later turn, in the order posted. Thread: any.
    void post(Task task);

    [[nodiscard]] bool is_current() const { return owner_ == std::this_thread::get_id(); }

    /// Sets or moves a deadline of an object that lives on this loop; kNever clears it.
    void set_deadline(Deadline& deadline, TimePoint due);

    /// @return the time at which the turn under way began to deal with events: reading the clock
    /// for each of them would cost as much as dealing with it
    [[nodiscard]] TimePoint now() const { return now_; }

    /// For whatever begins a callback on this loop.
    void refresh_now() {
        if (is_now_stale_) {
            now_ = Clock::now();
            is_now_stale_ = false;
        }
    }

    /// Where everything on this loop is received into. Valid until the next read on this loop.
    [[nodiscard]] std::span<std::byte> read_buffer() {
        return {read_buffer_.get(), kReadBufferBytes};
    }

    /// Deletes in a later turn: for objects that may be running higher up the stack.
    template <class T>
    void defer_delete(std::unique_ptr<T> object) {
        doomed_.push_back(std::shared_ptr<void>{std::move(object)});
        uv_check_start(check_.get(), &EventLoop::on_check_trampoline);
        uv_async_send(wake_.get());
    }

    [[nodiscard]] uv_loop_t* raw() { return &loop_; }

    static constexpr std::size_t kReadBufferBytes = std::size_t{64} * 1024;

private:
    static void on_wake_trampoline(uv_async_t* handle) noexcept;
    static void on_check_trampoline(uv_check_t* handle) noexcept;
    static void on_timer_trampoline(uv_timer_t* handle) noexcept;
    static void on_prepare_trampoline(uv_prepare_t* handle) noexcept;
    void run_posted();
    void delete_doomed();
    void drop_the_rest();
    void fire_deadlines();
    void arm_timer(TimePoint wake);

    uv_loop_t loop_{};
    std::thread::id owner_;
    UvBox<uv_async_t> wake_;
    UvBox<uv_check_t> check_;
    UvBox<uv_timer_t> timer_;
    UvBox<uv_prepare_t> prepare_;  // runs before each wait for events
    TimingWheel wheel_;
    TimePoint armed_for_ = kNever;
    TimePoint now_ = Clock::now();
    bool is_now_stale_ = true;
    std::unique_ptr<std::byte[]> read_buffer_;
    std::vector<std::shared_ptr<void>> doomed_;

    std::mutex posted_mutex_;
    std::vector<Task> posted_;
    std::atomic<bool> stopping_{false};
};

}  // namespace weir::net
