#pragma once

#include "base/clock.hpp"
#include "cache/cache.hpp"
#include "pool/backend.hpp"
#include "pool/transaction_witness.hpp"

#include <cstdint>
#include <vector>

#include "sql/relation_catalog.hpp"

namespace weir::proxy {

class Worker;

/// The writes that a backend has been sent and that are not known to have ended: the cache of this
/// process is told of them, and Redis where there is one. What is sent waits until Redis has heard
/// of it, and so does what the client is told of the end; for no longer than redis_timeout.
/// @thread its backend's
class SentWrites final : public pool::TransactionWitness {
public:
    SentWrites(Worker& worker, cache::DatabasePtr database);
    /// Without on_rest() before, what became of them is not known.
    ~SentWrites() override;
    SentWrites(const SentWrites&) = delete;
    SentWrites& operator=(const SentWrites&) = delete;
    SentWrites(SentWrites&&) = delete;
    SentWrites& operator=(SentWrites&&) = delete;

    /// A statement is about to be sent.
    /// @param set what it may change; of nothing: it may be the COMMIT of what was sent before
    /// @param backend waits with it; nullptr: it has been sent already
    void add(const sql::WriteSet& set, pool::Backend* backend);

private:
    class Ending;
    using Tables = std::vector<std::uint32_t>;

    void on_catalog_change() override { has_changed_catalog_ = true; }

    void on_rest(pool::LeaseHolder* holder) override;
    [[nodiscard]] bool has(const sql::WriteSet& set) const;
    void tell(const Tables& tables, pool::Backend* backend);
    void repeat();

    Worker& worker_;
    cache::DatabasePtr database_;
    std::vector<cache::Writing> writes_;
    Tables tables_;  // sorted
    bool has_everything_ = false;
    bool has_changed_catalog_ = false;
    std::vector<Tables> told_;  // to Redis
    TimePoint told_at_{};
};

}  // namespace weir::proxy
