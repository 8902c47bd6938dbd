#pragma once

#include "net/event_loop.hpp"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace weir::net {

/// A thread for what must not run on an event loop: password hashing, reading files. Jobs run in
/// order, those that strangers can cause only when no other waits; the queues are bounded, and what
/// does not fit is refused. Its destructor finishes the job at hand and drops the rest.
///
/// @thread submit(): any
class BackgroundThread {
public:
    using Work = std::function<void()>;

    enum class Cause : std::uint8_t {
        Ours,      ///< a reload, a backend's login
        Stranger,  ///< a client that has proven nothing
    };

    static constexpr std::size_t kJobsMax = 4096;
    /// Some three seconds of hashing: who comes later would have given up.
    static constexpr std::size_t kStrangersJobsMax = 1024;

    BackgroundThread();
    BackgroundThread(const BackgroundThread&) = delete;
    BackgroundThread& operator=(const BackgroundThread&) = delete;
    BackgroundThread(BackgroundThread&&) = delete;
    BackgroundThread& operator=(BackgroundThread&&) = delete;
    ~BackgroundThread();

    /// @param work runs on this thread and must touch nothing that lives on a loop
    /// @return false when the queue is full: nothing will run
    [[nodiscard]] bool submit(Work work, Cause cause = Cause::Ours);

    /// Finishes the job at hand, drops the rest and takes no more: before what the jobs come back
    /// to goes away.
    void stop();

private:
    void run();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Work> jobs_;
    std::deque<Work> strangers_jobs_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace weir::net
