#include "proxy/slow_plans.hpp"

#include "base/check.hpp"
#include "base/log.hpp"
#include "ledger/recorder.hpp"
#include "pool/pool.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "sql/digest.hpp"
#include "sql/plan_text.hpp"

namespace weir::proxy {

namespace {

/// How soon a server connection that has come free is seen.
constexpr std::chrono::milliseconds kLookEvery{10};

/// The same text means other tables in another database.
std::uint64_t key_of(const ledger::Statement& statement) {
    return statement.digest->hash ^ std::hash<std::string>{}(statement.labels->database);
}

}  // namespace

SlowPlans::~SlowPlans() {
    look_.clear();
    question_.reset();
    finish(PlanAnswer{});
}

bool SlowPlans::may_ask(const ledger::Statement& statement, pool::Pool& pool) const {
    const TimePoint now = worker_.loop().now();
    if (open_ || now < next_at_ || worker_.is_draining() || !pool.key().replication.empty()) {
        return false;
    }
    const auto known = known_.find(key_of(statement));
    return known == known_.end() || now - known->second.asked_at >= kAgainAfter;
}

void SlowPlans::ask(Case slow, pool::Pool& pool) {
    WEIR_ASSERT(!open_);
    open_ = std::move(slow);
    pool_ = pool.key();
    next_at_ = worker_.loop().now() + kEvery;
    patient_until_ = worker_.loop().now() + kPatience;
    // Later: then the client may have given its own server connection back.
    worker_.loop().post([this, alive = std::weak_ptr{alive_}] {
        if (!alive.expired()) {
            begin();
        }
    });
}

void SlowPlans::begin() {
    if (!open_ || question_ != nullptr) {
        return;
    }
    const TimePoint now = worker_.loop().now();
    pool::Pool* pool = worker_.find_pool(pool_);
    const bool is_over = pool == nullptr || worker_.is_draining() || pool->is_waited_for();
    auto question = std::make_unique<PlanQuestion>(
        worker_.loop(), open_->session, open_->request, [this](const PlanAnswer& answer) {
            worker_.loop().defer_delete(std::move(question_));
            finish(answer);
        });
    if (!is_over && pool->could_lend(*question)) {
        question_ = std::move(question);
        question_->start(*pool);
    } else if (!is_over && now < patient_until_) {
        worker_.loop().set_deadline(look_, now + kLookEvery);
    } else {
        finish({PlanAnswer::Outcome::NotAsked, {}, "no server connection to spare"});
    }
}

void SlowPlans::on_deadline(net::Deadline& /*deadline*/) {
    begin();
}

void SlowPlans::finish(const PlanAnswer& answer) {
    if (!open_) {
        return;
    }
    if (answer.outcome != PlanAnswer::Outcome::NotAsked) {
        known_of(open_->statement).asked_at = worker_.loop().now();
    }
    if (answer.outcome == PlanAnswer::Outcome::Told) {
        take(answer.plan);
    } else if (!answer.problem.empty()) {
        log::debug("slow_statement_not_explained",
                   {{"digest", sql::digest_text(open_->statement.digest->hash)},
                    {"reason", answer.problem}});
    }
    Case ended = std::move(*open_);
    open_.reset();
    if (ended.is_kept) {
        worker_.desk().recorder()->keep(std::move(ended.statement));
    }
}

void SlowPlans::take(const std::string& plan) {
    ledger::Statement& statement = open_->statement;
    const auto literals =
        open_->rules->log_parameters ? sql::PlanLiterals::Kept : sql::PlanLiterals::Masked;
    auto read = sql::read_plan(plan, literals);
    if (!read) {
        log::debug("slow_statement_not_explained",
                   {{"digest", sql::digest_text(statement.digest->hash)},
                    {"reason", "the answer is no plan"}});
        return;
    }
    Known& known = known_of(statement);
    const bool has_changed = known.shape && *known.shape != read->shape;
    known.shape = read->shape;
    log::info("slow_statement_plan",
              {{"digest", sql::digest_text(statement.digest->hash)},
               {"plan_hash", sql::digest_text(read->shape)},
               {"plan_changed", has_changed ? "true" : "false"},
               {"database", statement.labels->database},
               {"user", statement.labels->user},
               {"application", statement.labels->application},
               {"member", statement.member}});
    // A part of it would be no JSON.
    if (open_->is_kept && read->json.size() <= ledger::kDetailPlanMax) {
        if (statement.detail == nullptr) {
            statement.detail = std::make_unique<StatementDetail>();
        }
        statement.detail->plan = std::move(read->json);
    }
}

SlowPlans::Known& SlowPlans::known_of(const ledger::Statement& statement) {
    const std::uint64_t key = key_of(statement);
    if (known_.size() >= kKnownMax && !known_.contains(key)) {
        known_.erase(
            std::min_element(known_.begin(), known_.end(), [](const auto& one, const auto& other) {
                return one.second.asked_at < other.second.asked_at;
            }));
    }
    return known_[key];
}

}  // namespace weir::proxy
