#pragma once

#include "cache/flights.hpp"

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace weir::cache::test {

/// A thread's messages, run when the test says so.
class Queue final : public Mailbox {
public:
    void post(std::function<void()> message) override {
        const std::lock_guard lock{mutex_};
        messages_.push_back(std::move(message));
    }

    /// Runs all there are, and those that come of it. @return how many
    std::size_t run() {
        for (std::size_t count = 0;; ++count) {
            std::function<void()> message;
            {
                const std::lock_guard lock{mutex_};
                if (messages_.empty()) {
                    return count;
                }
                message = std::move(messages_.front());
                messages_.pop_front();
            }
            message();
        }
    }

    /// As a thread does that ends: what was posted is destroyed.
    void drop() {
        std::deque<std::function<void()>> dropped;
        {
            const std::lock_guard lock{mutex_};
            std::swap(dropped, messages_);
        }
    }

private:
    std::mutex mutex_;
    std::deque<std::function<void()>> messages_;
};

/// Remembers what it was told.
struct Told final : Follower {
    void on_landed(EntryPtr landed) override {
        waiting = Waiting{};
        entry = std::move(landed);
        ++calls;
    }

    void on_promoted(Leader promoted) override {
        waiting = Waiting{};
        leader = std::move(promoted);
        ++calls;
    }

    void on_alone() override {
        waiting = Waiting{};
        is_alone = true;
        ++calls;
    }

    EntryPtr entry;
    Leader leader;
    Waiting waiting;
    bool is_alone = false;
    int calls = 0;
};

}  // namespace weir::cache::test
