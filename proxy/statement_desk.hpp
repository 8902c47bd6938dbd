#pragma once

#include "conf/model.hpp"
#include "ledger/recorder.hpp"
#include "ledger/statement.hpp"
#include "policies/decide.hpp"
#include "policies/plan.hpp"
#include "policies/rules.hpp"
#include "pool/statement_run.hpp"
#include "proxy/request_judge.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sql/cursor_name.hpp"
#include "sql/facts_memo.hpp"
#include "sql/hint.hpp"

namespace weir::proxy {

/// For whom statements run, and what holds for all of them: one for each (database, user,
/// application) that has a session.
struct StatementContext {
    ledger::LabelsPtr labels;
    conf::PolicySettings policy;  ///< of its database and user
    policies::PlanPtr textless;   ///< of what has no text: a function called by its number
    policies::PlanPtr unread;     ///< of what nobody has read: the strictest of all that may hold
    std::uint64_t seed = 0;       ///< no other context has ever had it
    std::size_t sessions = 0;
    bool is_followed = false;  ///< its statements are looked at, and somebody is told of their ends
    bool may_refuse = false;   ///< some of them
    bool needs_facts = false;  ///< to decide about them
    bool has_time_limits = false;  ///< some of them
    bool limits_results = false;   ///< of some of them
    bool explains_slow = false;    ///< some of them
    bool may_cache = false;        ///< the results of some of them

    [[nodiscard]] policies::Session session() const {
        return {labels->database, labels->user, labels->application};
    }
};

/// A statement as its client has sent it.
struct StatementText {
    std::string_view text;
    std::uint64_t digest = 0;  ///< of sql::SessionFacts
    /// Tells what it reads and writes; nullptr: the text does not mean what it seems to.
    RequestJudge* judge = nullptr;

    /// @return no facts where there is no judge
    [[nodiscard]] sql::FactsMemo::Known read() const {
        return judge == nullptr ? sql::FactsMemo::Known{} : judge->read_facts(digest, text);
    }
};

/// Statements that are alike, run for the same.
struct KnownStatement final : pool::RunSubject {
    ledger::DigestPtr digest;
    ledger::LabelsPtr labels;
    policies::PlanPtr plan;        ///< unless its text says something else
    std::uint64_t decided_at = 0;  ///< StatementDesk::version() then
    bool is_of_digest = true;      ///< the plan is that of all texts of the digest
    bool has_facts = false;
    bool is_deed = false;  ///< it changes who may do what, or what there is
    /// It may decide how the server reads what follows.
    bool changes_reading = true;
    sql::CursorUse cursors;
    std::shared_ptr<const sql::WriteSet> writes;  ///< nullptr: it is not known what
    std::uint64_t writes_version = 0;             ///< RequestJudge::version() then
    bool is_kept_read = false;                    ///< by its digest; of that version, as the next
    sql::BeginsCommitted begins = sql::BeginsCommitted::No;
    ledger::Sums* sums = nullptr;
    std::uint64_t epoch = 0;  ///< Recorder::epoch(), for which sums holds
};

using KnownStatementPtr = std::shared_ptr<KnownStatement>;

/// What holds for a statement that a client has sent.
struct StatementRuling {
    StatementText statement;
    KnownStatementPtr known;  ///< nullptr: its statements are not looked at
    policies::PlanPtr plan;   ///< likewise
};

/// A worker's statements: what holds for which. Remembers by digest; when it has too many, or they
/// take too much memory, it forgets all. (Statements that run keep theirs.)
/// @thread its worker's
class StatementDesk {
public:
    static constexpr std::size_t kKnownMax = 32768;
    /// Of memory for them, their texts and plans, about.
    static constexpr std::size_t kBytesMax = std::size_t{16} << 20U;
    /// So many contexts may outlive their sessions: clients come back.
    static constexpr std::size_t kContextsMax = 1024;

    /// @param recorder nullptr: there is no ledger
    explicit StatementDesk(ledger::Recorder* recorder) : recorder_{recorder} {}

    /// The configuration has changed.
    void renew(const conf::Config& config);

    /// @return the context of these labels, kept until it has been released as often
    [[nodiscard]] StatementContext& hold(ledger::Labels labels);
    void release(StatementContext& context);

    [[nodiscard]] const policies::Rules& rules() const { return *rules_; }

    /// @return another one whenever the configuration has changed
    [[nodiscard]] std::uint64_t version() const { return version_; }

    [[nodiscard]] ledger::Recorder* recorder() const { return recorder_; }

    /// @return never null; good until the desk is asked for another one
    [[nodiscard]] const KnownStatementPtr& find(const StatementContext& context,
                                                const StatementText& statement);

    /// @return what holds for this text
    [[nodiscard]] policies::PlanPtr plan_of(const StatementContext& context,
                                            const KnownStatement& known,
                                            const StatementText& statement) const;

    /// @return what has no SQL text that is known: a function called by its number, a text too long
    /// to be read
    /// @param plan one of the context's
    [[nodiscard]] const KnownStatementPtr& find_special(const StatementContext& context,
                                                        std::string_view name,
                                                        const policies::PlanPtr& plan);

    /// @return where it is counted now; only where there is a recorder
    [[nodiscard]] ledger::Sums& sums_of(KnownStatement& known) const;

    [[nodiscard]] std::size_t size() const { return known_.size(); }

    /// @return about how much memory they take
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    void settle(StatementContext& context) const;
    void decide(const StatementContext& context,
                KnownStatement& known,
                const StatementText& statement) const;
    [[nodiscard]] KnownStatementPtr& place_of(std::uint64_t key);
    [[nodiscard]] const ledger::DigestPtr& digest_of(const StatementText& statement);
    void forget();

    ledger::Recorder* recorder_;
    const conf::Config* config_ = nullptr;  // the worker's own
    std::unique_ptr<const policies::Rules> rules_;
    bool may_refuse_ = false;       // some rule
    bool has_time_limits_ = false;  // some rule
    bool limits_results_ = false;   // some rule
    bool explains_slow_ = false;    // some rule
    bool caches_ = false;           // some rule
    std::uint64_t version_ = 0;
    std::uint64_t next_seed_ = 1;
    std::unordered_map<std::string, std::unique_ptr<StatementContext>> contexts_;  // by key_of()
    std::unordered_map<std::uint64_t, KnownStatementPtr> known_;  // by digest and seed

    struct Recent {
        std::uint64_t key = 0;
        KnownStatementPtr* place = nullptr;  // in known_
    };

    std::array<Recent, 64> recent_{};
    std::unordered_map<std::uint64_t, ledger::DigestPtr> digests_;  // of theirs: all contexts share
    std::size_t bytes_ = 0;
};

}  // namespace weir::proxy
