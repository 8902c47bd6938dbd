#pragma once

#include "admin/http_post.hpp"
#include "base/status.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace weir::admin {

/// What became of the last message to one webhook. Thread: any.
class WebhookOutcome {
public:
    void set(std::string text) {
        const std::lock_guard lock{mutex_};
        text_ = std::move(text);
    }

    [[nodiscard]] std::string get() const {
        const std::lock_guard lock{mutex_};
        return text_;
    }

private:
    mutable std::mutex mutex_;
    std::string text_;
};

/// One message.
struct Webhook {
    std::string alert;   ///< which one it is about
    std::string url;     ///< may hold a secret
    std::string origin;  ///< what of the URL may be logged
    std::string body;
    std::shared_ptr<WebhookOutcome> outcome;  ///< not null
};

/// Sends messages to webhooks, in order, on a thread of its own that begins with the first one. One
/// that is not taken is tried again, then given up; those that find the queue full are dropped. The
/// destructor ends what is under way and drops the rest.
///
/// @thread any
class Webhooks {
public:
    struct Limits {
        std::chrono::milliseconds deadline{5000};  ///< of each try
        int tries = 3;
        std::chrono::milliseconds pause{1000};  ///< between two tries
        std::size_t queue = 64;                 ///< messages that wait
    };

    Webhooks() : Webhooks{Limits{}} {}

    explicit Webhooks(const Limits& limits) : limits_{limits} {}

    Webhooks(const Webhooks&) = delete;
    Webhooks& operator=(const Webhooks&) = delete;
    Webhooks(Webhooks&&) = delete;
    Webhooks& operator=(Webhooks&&) = delete;
    ~Webhooks();

    /// Never waits.
    void post(Webhook webhook);

    [[nodiscard]] status::WebhookCounts counts() const;

private:
    [[nodiscard]] bool start();
    void drop(const Webhook& webhook, const char* why);
    void run();
    void deliver(const Webhook& webhook);
    void end(const Webhook& webhook, const std::string& problem);
    [[nodiscard]] bool pause();

    const Limits limits_;
    mutable std::mutex mutex_;  // of all below it; not held while anything is sent
    std::condition_variable changed_;
    std::deque<Webhook> waiting_;
    status::WebhookCounts counts_;
    std::unique_ptr<HttpPoster> poster_;  // null before the thread has begun
    bool is_stopping_ = false;
    std::thread thread_;
};

}  // namespace weir::admin
