#include "pool/database_knowledge.hpp"

#include <utility>

namespace weir::pool {

namespace {

std::int64_t nanoseconds(TimePoint time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::int64_t nanoseconds(std::chrono::seconds seconds) {
    return std::chrono::nanoseconds{seconds}.count();
}

}  // namespace

bool DatabaseKnowledge::is_current(TimePoint now) const {
    // In this order: a change is counted before it is over.
    return is_unchanged() && nanoseconds(now) < read_at_.load() + nanoseconds(kHoldsFor);
}

FunctionKnowledgePtr DatabaseKnowledge::knowledge() const {
    const std::lock_guard<std::mutex> lock{mutex_};
    return knowledge_;
}

bool DatabaseKnowledge::is_due(std::int64_t at) const {
    const bool is_old = known_changes_.load() != changes_.load() ||
                        at >= read_at_.load() + nanoseconds(kRenewAfter);
    return is_old && changing_.load() == 0 && at >= retry_at_.load();
}

bool DatabaseKnowledge::claim(TimePoint now) {
    const std::int64_t at = nanoseconds(now);
    const bool may_be_another = !is_of_server() && changing_.load() == 0 && at >= retry_at_.load();
    return (may_be_another || is_due(at)) && !is_claimed_.exchange(true);
}

bool DatabaseKnowledge::takes_errand(TimePoint now) {
    const std::int64_t at = nanoseconds(now);
    std::int64_t last = sent_at_.load();
    return is_due(at) && !is_claimed_.load() && at >= last + nanoseconds(kRetryAfter) &&
           sent_at_.compare_exchange_strong(last, at);
}

void DatabaseKnowledge::renew(FunctionKnowledgePtr fresh,
                              std::uint32_t changes,
                              TimePoint begun_at,
                              std::uint32_t losses) {
    if (fresh != nullptr) {
        const std::lock_guard<std::mutex> lock{mutex_};
        knowledge_ = std::move(fresh);
        version_.fetch_add(1);
    }
    read_at_.store(nanoseconds(begun_at));
    known_losses_.store(losses);
    known_changes_.store(changes);
    is_claimed_.store(false);
}

void DatabaseKnowledge::fail(TimePoint now) {
    retry_at_.store(nanoseconds(now + kRetryAfter));
    is_claimed_.store(false);
}

void DatabaseKnowledge::learn_custom_setting(const std::string& name) {
    const std::lock_guard<std::mutex> lock{mutex_};
    if (const auto found = places_.find(name); found != places_.end()) {
        mentioned_.splice(mentioned_.begin(), mentioned_, found->second);
        return;
    }
    if (mentioned_.size() >= kCustomSettingsMax) {
        places_.erase(mentioned_.back());
        mentioned_.pop_back();
    }
    mentioned_.push_front(name);
    places_.emplace(mentioned_.front(), mentioned_.begin());
}

std::vector<std::string> DatabaseKnowledge::custom_settings() const {
    const std::lock_guard<std::mutex> lock{mutex_};
    std::vector<std::string> names{mentioned_.begin(), mentioned_.end()};
    if (knowledge_ != nullptr) {
        names.insert(
            names.end(), knowledge_->custom_settings.begin(), knowledge_->custom_settings.end());
    }
    return names;
}

}  // namespace weir::pool
