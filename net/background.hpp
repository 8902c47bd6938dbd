#pragma once

#include "net/event_loop.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace weir::net {

/// A thread for what must not run on an event loop: password hashing, reading files. Jobs run in
/// order; the queue is bounded, and what does not fit is refused. Its destructor finishes the job
/// at hand and drops the rest.
///
/// @thread submit(): any
class BackgroundThread {
public:
    using Work = std::function<void()>;

    static constexpr std::size_t kJobsMax = 4096;

    BackgroundThread();
    BackgroundThread(const BackgroundThread&) = delete;
    BackgroundThread& operator=(const BackgroundThread&) = delete;
    BackgroundThread(BackgroundThread&&) = delete;
    BackgroundThread& operator=(BackgroundThread&&) = delete;
    ~BackgroundThread();

    /// @param work runs on this thread and must touch nothing that lives on a loop
    /// @return false when the queue is full: nothing will run
    [[nodiscard]] bool submit(Work work);

    /// Finishes the job at hand, drops the rest and takes no more: before what the jobs come back
    /// to goes away.
    void stop();

private:
    void run();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Work> jobs_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace weir::net
