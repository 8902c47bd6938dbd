#include "admin/webhooks.hpp"

#include "base/log.hpp"

#include <pthread.h>

#include <system_error>
#include <utility>

namespace weir::admin {

Webhooks::~Webhooks() {
    {
        const std::lock_guard lock{mutex_};
        is_stopping_ = true;
        waiting_.clear();
        if (poster_ != nullptr) {
            poster_->give_up();
        }
    }
    changed_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

/// @return whether there is a thread. Called with the mutex
bool Webhooks::start() {
    if (thread_.joinable()) {
        return true;
    }
    try {
        thread_ = std::thread{[this] { run(); }};
        pthread_setname_np(thread_.native_handle(), "weir-webhooks");
    } catch (const std::system_error&) {
        return false;  // the next one tries again
    }
    return true;
}

void Webhooks::post(Webhook webhook) {
    const std::unique_lock lock{mutex_};
    if (waiting_.size() >= limits_.queue) {
        drop(webhook, "too many wait");
    } else if (!start()) {
        drop(webhook, "no thread could be started");
    } else {
        webhook.outcome->set("waits");
        waiting_.push_back(std::move(webhook));
        changed_.notify_all();
    }
}

/// Called with the mutex.
void Webhooks::drop(const Webhook& webhook, const char* why) {
    ++counts_.dropped;
    webhook.outcome->set(std::string{"dropped: "} + why);
    log::warn("webhook_dropped",
              {{"alert", webhook.alert}, {"webhook", webhook.origin}, {"problem", why}});
}

status::WebhookCounts Webhooks::counts() const {
    const std::lock_guard lock{mutex_};
    return counts_;
}

void Webhooks::run() {
    auto poster = std::make_unique<HttpPoster>();
    std::unique_lock lock{mutex_};
    poster_ = std::move(poster);
    while (true) {
        changed_.wait(lock, [this] { return is_stopping_ || !waiting_.empty(); });
        if (is_stopping_) {
            return;
        }
        const Webhook webhook = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        deliver(webhook);
        lock.lock();
    }
}

void Webhooks::deliver(const Webhook& webhook) {
    std::string problem;
    for (int i = 0; i < limits_.tries; ++i) {
        if (i > 0 && !pause()) {
            return;
        }
        problem = poster_->post(webhook.url, webhook.body, limits_.deadline);
        if (problem.empty()) {
            break;
        }
        webhook.outcome->set("is tried again: " + problem);
    }
    end(webhook, problem);
}

/// @param problem "" = it was taken
void Webhooks::end(const Webhook& webhook, const std::string& problem) {
    {
        const std::lock_guard lock{mutex_};
        if (is_stopping_) {
            return;
        }
        ++(problem.empty() ? counts_.delivered : counts_.failed);
    }
    webhook.outcome->set(problem.empty() ? "delivered" : "failed: " + problem);
    if (!problem.empty()) {
        log::warn("webhook_failed",
                  {{"alert", webhook.alert},
                   {"webhook", webhook.origin},
                   {"tries", limits_.tries},
                   {"problem", problem}});
    }
}

/// @return whether there is to be another try
bool Webhooks::pause() {
    std::unique_lock lock{mutex_};
    return !changed_.wait_for(lock, limits_.pause, [this] { return is_stopping_; });
}

}  // namespace weir::admin
