#include "ledger/deed_fold.hpp"

#include <utility>

namespace weir::ledger {

namespace {

constexpr const char* kSeveral = "(several)";

/// A clock that has gone back ends a minute too.
bool is_over(std::int64_t began_us, std::int64_t now_us) {
    return now_us < began_us || now_us - began_us >= DeedFold::kMinuteUs;
}

}  // namespace

void DeedFold::add(NotedDeed noted, std::vector<NotedDeed>& to) {
    const events::Deed& deed = noted.deed;
    const Key key{deed.who, deed.action, deed.object, deed.text};
    auto found = minutes_.find(key);
    if (found != minutes_.end() && is_over(found->second.began_us, noted.t)) {
        tell(key, found->second, to);
        minutes_.erase(found);
        found = minutes_.end();
    }
    if (found == minutes_.end()) {
        if (minutes_.size() < kKindsMax) {
            minutes_.emplace(key, Minute{.began_us = noted.t, .seen = 1, .from = ""});
        }
        to.push_back(std::move(noted));
        return;
    }
    Minute& minute = found->second;
    if (++minute.seen <= kLinesEach) {
        to.push_back(std::move(noted));
        return;
    }
    minute.last_us = noted.t;
    const bool is_first = minute.seen == kLinesEach + 1;
    minute.from = is_first || minute.from == deed.from ? deed.from : kSeveral;
}

void DeedFold::take_due(std::int64_t now_us, std::vector<NotedDeed>& to) {
    for (auto each = minutes_.begin(); each != minutes_.end();) {
        if (is_over(each->second.began_us, now_us)) {
            tell(each->first, each->second, to);
            each = minutes_.erase(each);
        } else {
            ++each;
        }
    }
}

void DeedFold::take_all(std::vector<NotedDeed>& to) {
    for (const auto& [key, minute] : minutes_) {
        tell(key, minute, to);
    }
    minutes_.clear();
}

void DeedFold::tell(const Key& key, const Minute& minute, std::vector<NotedDeed>& to) {
    if (minute.seen <= kLinesEach) {
        return;
    }
    const auto& [who, action, object, text] = key;
    const std::string times = std::to_string(minute.seen - kLinesEach);
    to.push_back({.t = minute.last_us,
                  .deed = {.who = who,
                           .from = minute.from,
                           .action = action,
                           .object = object,
                           .text = "(" + times + " more within a minute) " + text}});
}

}  // namespace weir::ledger
