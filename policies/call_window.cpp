#include "policies/call_window.hpp"

#include <algorithm>

namespace weir::policies {

CallWindow::CallWindow(Duration length)
    : bucket_length_{std::max(length / static_cast<Duration::rep>(kBuckets), Duration{1})} {}

void CallWindow::add(const CallTotals& ended, TimePoint now) {
    newest_ = std::max(newest_, tick_of(now));
    Bucket& bucket = buckets_[static_cast<std::size_t>(newest_) % kBuckets];
    if (bucket.tick != newest_) {
        bucket = Bucket{newest_, {}};
    }
    bucket.totals += ended;
}

CallTotals CallWindow::totals(TimePoint now) const {
    const Tick until = std::max(newest_, tick_of(now));
    CallTotals sum;
    for (const Bucket& bucket : buckets_) {
        if (bucket.tick >= 0 && until - bucket.tick < static_cast<Tick>(kBuckets)) {
            sum += bucket.totals;
        }
    }
    return sum;
}

void CallWindow::clear() {
    buckets_.fill(Bucket{});
}

CallWindow::Tick CallWindow::tick_of(TimePoint when) const {
    return std::max<Tick>(when.time_since_epoch() / bucket_length_, 0);
}

}  // namespace weir::policies
