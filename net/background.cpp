#include "net/background.hpp"

#include <utility>

namespace weir::net {

BackgroundThread::BackgroundThread() : thread_{[this] { run(); }} {}

BackgroundThread::~BackgroundThread() {
    stop();
}

void BackgroundThread::stop() {
    std::deque<Work> dropped;
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
        dropped.swap(jobs_);
    }
    changed_.notify_one();
    if (thread_.joinable()) {
        thread_.join();
    }
}

bool BackgroundThread::submit(Work work) {
    {
        const std::lock_guard lock{mutex_};
        if (stopping_ || jobs_.size() >= kJobsMax) {
            return false;
        }
        jobs_.push_back(std::move(work));
    }
    changed_.notify_one();
    return true;
}

void BackgroundThread::run() {
    std::unique_lock lock{mutex_};
    while (!stopping_) {
        if (jobs_.empty()) {
            changed_.wait(lock);
            continue;
        }
        Work work = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        work();
        work = nullptr;  // what it held may submit as it dies, or wait for who does
        lock.lock();
    }
}

}  // namespace weir::net
