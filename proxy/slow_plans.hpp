#pragma once

#include "base/clock.hpp"
#include "ledger/statement.hpp"
#include "net/timing_wheel.hpp"
#include "policies/plan.hpp"
#include "pool/pool.hpp"
#include "proxy/plan_question.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

namespace weir::proxy {

class Worker;

/// Asks how slow reads were planned, as policy.explain_slow says: one at a time, one a second, each
/// digest of a database once an hour, and only over what the pool can spare. One per worker, on its
/// loop; destroyed before the pools.
class SlowPlans final : private net::DeadlineListener {
public:
    static constexpr std::chrono::seconds kEvery{1};
    /// So long for a server connection to be there that nobody wants: the one that the client has
    /// just given back may be looked after first.
    static constexpr std::chrono::milliseconds kPatience{500};
    static constexpr std::chrono::hours kAgainAfter{1};
    /// More than can be asked in kAgainAfter: when full the one that was asked first is forgotten.
    static constexpr std::size_t kKnownMax = 4096;

    /// A slow read that has ended.
    struct Case {
        ledger::Statement statement;  ///< held back from the ledger until its plan is there
        bool is_kept = false;         ///< whether the ledger wants it
        policies::PlanPtr rules;      ///< what holds for it
        std::shared_ptr<const pool::StatementRequest> request;
        PlanQuestion::Session session;
    };

    explicit SlowPlans(Worker& worker) : worker_{worker} {}

    SlowPlans(const SlowPlans&) = delete;
    SlowPlans& operator=(const SlowPlans&) = delete;
    SlowPlans(SlowPlans&&) = delete;
    SlowPlans& operator=(SlowPlans&&) = delete;
    /// What is held back is kept as it is.
    ~SlowPlans();

    /// @return whether it is this one's turn
    [[nodiscard]] bool may_ask(const ledger::Statement& statement, pool::Pool& pool) const;

    /// Call only after may_ask(). The question goes out in a later turn.
    void ask(Case slow, pool::Pool& pool);

private:
    struct Known {
        TimePoint asked_at{};
        std::optional<std::uint64_t> shape;  // of its last plan
    };

    void on_deadline(net::Deadline& deadline) override;
    void begin();
    void finish(const PlanAnswer& answer);
    void take(const std::string& plan);
    [[nodiscard]] Known& known_of(const ledger::Statement& statement);

    Worker& worker_;
    std::optional<Case> open_;   // the one that is asked about
    pool::PoolKey pool_;         // of what it ran on, which may go
    net::Deadline look_{*this};  // whether there is a server connection now
    TimePoint patient_until_{};
    std::unique_ptr<PlanQuestion> question_;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // what is posted asks
    TimePoint next_at_{};
    std::unordered_map<std::uint64_t, Known> known_;  // by key_of()
};

}  // namespace weir::proxy
