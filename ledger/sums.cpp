#include "ledger/sums.hpp"

#include <algorithm>

namespace weir::ledger {

const DigestPtr& other_digest() {
    static const DigestPtr kOther = std::make_shared<const Digest>(
        Digest{.hash = 0, .text = kOtherName, .kind = kOtherName, .tables = ""});
    return kOther;
}

const LabelsPtr& other_labels() {
    static const LabelsPtr kOther = std::make_shared<const Labels>(
        Labels{.database = kOtherName, .user = kOtherName, .application = kOtherName});
    return kOther;
}

void add_error(std::vector<ErrorCount>& to, const ErrorCount& error) {
    const auto found = std::find_if(to.begin(), to.end(), [&](const ErrorCount& known) {
        return known.sqlstate == error.sqlstate;
    });
    if (found != to.end()) {
        found->count += error.count;
    } else if (to.size() < kErrorsMax) {
        to.push_back(error);
    } else {
        to.back().count += error.count;
    }
}

void Totals::add(const Totals& other) {
    calls += other.calls;
    errors += other.errors;
    rows += other.rows;
    bytes += other.bytes;
    total_us += other.total_us;
    server_us += other.server_us;
    wait_us += other.wait_us;
    sending_us += other.sending_us;
    min_us = std::min(min_us, other.min_us);
    max_us = std::max(max_us, other.max_us);
    retried += other.retried;
    cut += other.cut;
    cache_hits += other.cache_hits;
    cache_misses += other.cache_misses;
    cache_saved_us += other.cache_saved_us;
}

void Spread::add(const Spread& other) {
    total.merge(other.total);
    server.merge(other.server);
    wait.merge(other.wait);
}

}  // namespace weir::ledger
