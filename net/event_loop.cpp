#include "net/event_loop.hpp"

#include <algorithm>
#include <utility>

namespace weir::net {

namespace {

template <class Handle>
uv_handle_t* as_handle(Handle* handle) {
    return reinterpret_cast<uv_handle_t*>(handle);
}

}  // namespace

EventLoop::EventLoop()
    : owner_{std::this_thread::get_id()},
      wheel_{Clock::now()},
      read_buffer_{std::make_unique<std::byte[]>(kReadBufferBytes)} {
    WEIR_CHECK(uv_loop_init(&loop_) == 0);
    wake_ = UvBox<uv_async_t>{[this](uv_async_t* handle) {
        return uv_async_init(&loop_, handle, &EventLoop::on_wake_trampoline);
    }};
    check_ =
        UvBox<uv_check_t>{[this](uv_check_t* handle) { return uv_check_init(&loop_, handle); }};
    timer_ =
        UvBox<uv_timer_t>{[this](uv_timer_t* handle) { return uv_timer_init(&loop_, handle); }};
    prepare_ = UvBox<uv_prepare_t>{
        [this](uv_prepare_t* handle) { return uv_prepare_init(&loop_, handle); }};
    WEIR_CHECK(wake_.init_error() == 0 && check_.init_error() == 0 && timer_.init_error() == 0 &&
               prepare_.init_error() == 0);
    wake_.set_owner(this);
    check_.set_owner(this);
    timer_.set_owner(this);
    prepare_.set_owner(this);
    uv_prepare_start(prepare_.get(), &EventLoop::on_prepare_trampoline);
}

EventLoop::~EventLoop() {
    owner_ = std::this_thread::get_id();
    drop_the_rest();
    wake_.close();
    check_.close();
    timer_.close();
    prepare_.close();
    uv_run(&loop_, UV_RUN_DEFAULT);
    WEIR_CHECK(uv_loop_close(&loop_) == 0);  // somebody left a handle open
}

/// Whom it was for is gone. What is dropped may post or defer as it dies: outside the lock, and
/// until nothing is left.
void EventLoop::drop_the_rest() {
    std::vector<Task> dropped;
    do {
        dropped.clear();
        delete_doomed();
        const std::lock_guard lock{posted_mutex_};
        dropped.swap(posted_);
    } while (!dropped.empty() || !doomed_.empty());
}

void EventLoop::run() {
    owner_ = std::this_thread::get_id();
    while (!stopping_.load()) {
        uv_run(&loop_, UV_RUN_DEFAULT);
    }
    stopping_ = false;
}

void EventLoop::run_pending() {
    owner_ = std::this_thread::get_id();
    constexpr int kTurnsMax = 64;
    for (int turn = 0; turn < kTurnsMax; ++turn) {
        uv_run(&loop_, UV_RUN_NOWAIT);
    }
}

void EventLoop::stop() {
    stopping_ = true;
    uv_async_send(wake_.get());
}

void EventLoop::post(Task task) {
    {
        const std::lock_guard lock{posted_mutex_};
        posted_.push_back(std::move(task));
    }
    uv_async_send(wake_.get());
}

void EventLoop::set_deadline(Deadline& deadline, TimePoint due) {
    WEIR_ASSERT(is_current());
    wheel_.set(deadline, due);
    if (due < armed_for_) {
        arm_timer(due);
    }
}

void EventLoop::on_wake_trampoline(uv_async_t* handle) noexcept {
    if (auto* self = static_cast<EventLoop*>(UvBox<uv_async_t>::owner_of(handle));
        self != nullptr) {
        self->run_posted();
        if (self->stopping_.load()) {
            uv_stop(&self->loop_);
        }
    }
}

void EventLoop::on_check_trampoline(uv_check_t* handle) noexcept {
    if (auto* self = static_cast<EventLoop*>(UvBox<uv_check_t>::owner_of(handle));
        self != nullptr) {
        self->delete_doomed();
        if (self->doomed_.empty()) {
            uv_check_stop(handle);
        }
    }
}

void EventLoop::on_timer_trampoline(uv_timer_t* handle) noexcept {
    if (auto* self = static_cast<EventLoop*>(UvBox<uv_timer_t>::owner_of(handle));
        self != nullptr) {
        self->fire_deadlines();
    }
}

void EventLoop::on_prepare_trampoline(uv_prepare_t* handle) noexcept {
    if (auto* self = static_cast<EventLoop*>(UvBox<uv_prepare_t>::owner_of(handle));
        self != nullptr) {
        self->is_now_stale_ = true;
    }
}

void EventLoop::run_posted() {
    refresh_now();
    std::vector<Task> batch;
    {
        const std::lock_guard lock{posted_mutex_};
        batch.swap(posted_);
    }
    for (Task& task : batch) {
        task();
        task = nullptr;  // what it captured dies on this thread, before the next one runs
    }
}

void EventLoop::delete_doomed() {
    while (!doomed_.empty()) {
        const auto batch = std::exchange(doomed_, {});
    }
}

void EventLoop::fire_deadlines() {
    armed_for_ = kNever;
    now_ = Clock::now();  // timers come at the end of a wait, before anything is known to be stale
    wheel_.advance(now_);
    arm_timer(wheel_.next_wake());
}

void EventLoop::arm_timer(TimePoint wake) {
    if (wake == kNever || wake >= armed_for_) {
        return;
    }
    armed_for_ = wake;
    using std::chrono::milliseconds;
    const auto wait = std::chrono::ceil<milliseconds>(wake - Clock::now()).count();
    uv_update_time(&loop_);  // libuv counts from its cached time
    uv_timer_start(timer_.get(),
                   &EventLoop::on_timer_trampoline,
                   static_cast<std::uint64_t>(std::max<std::int64_t>(wait, 0)),
                   0);
}

}  // namespace weir::net
