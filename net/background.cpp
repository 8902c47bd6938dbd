#include "net/background.hpp"

#include <utility>

namespace weir::net {

BackgroundThread::BackgroundThread() : thread_{[this] { run(); }} {}

BackgroundThread::~BackgroundThread() {
    stop();
}

void BackgroundThread::stop() {
    std::deque<Work> dropped;
    std::deque<Work> strangers_dropped;
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
        dropped.swap(jobs_);
        strangers_dropped.swap(strangers_jobs_);
    }
    changed_.notify_one();
    if (thread_.joinable()) {
        thread_.join();
    }
}

bool BackgroundThread::submit(Work work, Cause cause) {
    const bool is_ours = cause == Cause::Ours;
    {
        const std::lock_guard lock{mutex_};
        std::deque<Work>& jobs = is_ours ? jobs_ : strangers_jobs_;
        if (stopping_ || jobs.size() >= (is_ours ? kJobsMax : kStrangersJobsMax)) {
            return false;
        }
        jobs.push_back(std::move(work));
    }
    changed_.notify_one();
    return true;
}

void BackgroundThread::run() {
    std::unique_lock lock{mutex_};
    while (!stopping_) {
        std::deque<Work>& jobs = jobs_.empty() ? strangers_jobs_ : jobs_;
        if (jobs.empty()) {
            changed_.wait(lock);
            continue;
        }
        Work work = std::move(jobs.front());
        jobs.pop_front();
        lock.unlock();
        work();
        work = nullptr;  // what it held may submit as it dies, or wait for who does
        lock.lock();
    }
}

}  // namespace weir::net
