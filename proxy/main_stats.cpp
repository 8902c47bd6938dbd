#include "proxy/main_stats.hpp"

#include "base/log.hpp"

#include <algorithm>

namespace weir::proxy {

namespace {

/// A pool that was forgotten in between takes what it had counted with it: then nothing is said
/// rather than nonsense.
std::uint64_t since(std::uint64_t last, std::uint64_t now) {
    return now > last ? now - last : 0;
}

std::uint64_t average(std::uint64_t sum, std::uint64_t count) {
    return count == 0 ? 0 : sum / count;
}

}  // namespace

StatsLine::Sums StatsLine::sum_up(const status::Snapshot& snapshot) {
    Sums sums;
    for (const status::Pool& pool : snapshot.pools) {
        sums.transactions += pool.transactions;
        sums.statements += pool.statements;
        sums.received += pool.bytes_received;
        sums.sent += pool.bytes_sent;
        sums.transaction_us += pool.transaction_us;
        sums.statement_us += pool.statement_us;
        sums.wait_us += pool.wait_us;
    }
    return sums;
}

void StatsLine::on_sample(const status::Snapshot& snapshot, TimePoint now, Duration every) {
    if (last_at_ == TimePoint{} || every <= Duration::zero()) {
        last_at_ = now;
        last_ = sum_up(snapshot);
        return;
    }
    if (now - last_at_ < every) {
        return;
    }
    const Sums sums = sum_up(snapshot);
    const auto seconds = std::max<std::uint64_t>(
        1,
        static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::seconds>(now - last_at_).count()));
    const std::uint64_t transactions = since(last_.transactions, sums.transactions);
    const std::uint64_t statements = since(last_.statements, sums.statements);
    log::info("stats",
              {{"xacts_per_s", transactions / seconds},
               {"queries_per_s", statements / seconds},
               {"in_bytes_per_s", since(last_.received, sums.received) / seconds},
               {"out_bytes_per_s", since(last_.sent, sums.sent) / seconds},
               {"xact_us", average(since(last_.transaction_us, sums.transaction_us), transactions)},
               {"query_us", average(since(last_.statement_us, sums.statement_us), statements)},
               {"wait_us", average(since(last_.wait_us, sums.wait_us), transactions)}});
    last_ = sums;
    last_at_ = now;
}

}  // namespace weir::proxy
