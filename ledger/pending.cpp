#include "ledger/pending.hpp"

#include <algorithm>
#include <utility>

namespace weir::ledger {

void Pending::add(const SumsTable& table) {
    for (const Sums& sums : table.sums) {
        if (sums.totals.calls == 0) {
            continue;  // asked for, and never used
        }
        Hour& hour = hour_of(sums);
        hour.totals.add(sums.totals);
        for (const ErrorCount& error : sums.errors) {
            add_error(hour.errors, error);
        }
        if (hour.spread == nullptr) {
            if (spreads_ >= kSpreadsMax) {
                coarsened_ += sums.totals.calls;
                continue;
            }
            hour.spread = std::make_unique<Spread>();
            ++spreads_;
        }
        hour.spread_totals.add(sums.totals);
        hour.spread->add(sums.spread);
    }
    for (const WaitSums& sums : table.waits) {
        WaitKey key{.hour = sums.hour,
                    .database = sums.labels->database,
                    .user = sums.labels->user,
                    .reason = sums.reason};
        if (waits_.size() >= kHoursMax && !waits_.contains(key)) {
            key.database = kOtherName;
            key.user = kOtherName;
        }
        Wait& wait = waits_[std::move(key)];
        wait.count += sums.count;
        wait.us += sums.us;
        wait.times.merge(sums.times);
    }
}

const Labels* Pending::interned(const Labels& labels) {
    auto& kept = labels_[{labels.database, labels.user, labels.application}];
    if (kept == nullptr) {
        kept = std::make_unique<const Labels>(labels);
    }
    return kept.get();
}

Pending::Hour& Pending::hour_of(const Sums& sums) {
    Key key{.hour = sums.hour, .digest = sums.digest->hash, .labels = interned(*sums.labels)};
    DigestPtr digest = sums.digest;
    if (hours_.size() >= kHoursMax && !hours_.contains(key)) {
        const bool is_one_left = hours_.size() >= 2 * kHoursMax;
        key.digest = 0;
        key.labels = interned(is_one_left ? *other_labels() : *sums.labels);
        digest = other_digest();
        coarsened_ += sums.totals.calls;
    }
    Hour& hour = hours_[key];
    if (hour.digest == nullptr || hour.digest->tables.empty()) {
        hour.digest = std::move(digest);
    }
    return hour;
}

void Pending::clear_totals() {
    for (auto& [key, hour] : hours_) {
        hour.totals = {};
        hour.errors.clear();
    }
    waits_.clear();
    drop_empty();
}

void Pending::clear_spreads() {
    for (auto& [key, hour] : hours_) {
        hour.spread_totals = {};
        hour.spread.reset();
    }
    spreads_ = 0;
    drop_empty();
}

void Pending::drop_empty() {
    std::erase_if(hours_, [](const auto& entry) {
        return entry.second.totals.calls == 0 && entry.second.spread == nullptr;
    });
    if (hours_.empty()) {
        labels_.clear();
    }
}

}  // namespace weir::ledger
