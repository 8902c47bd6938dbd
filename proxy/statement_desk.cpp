#include "proxy/statement_desk.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "sql/digest.hpp"
#include "sql/lexer.hpp"
#include "sql/session_facts.hpp"

namespace weir::proxy {

namespace {

/// Of memory for a known statement and its plan beside its texts, with what the table takes.
constexpr std::size_t kKnownBytes = sizeof(KnownStatement) + sizeof(policies::Plan) + 128;
/// The same for a digest.
constexpr std::size_t kDigestBytes = sizeof(ledger::Digest) + 96;

/// Spreads what differs in a few bits.
constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15U;

std::string key_of(const ledger::Labels& labels) {
    std::string key = labels.database;
    key.append(1, '\0').append(labels.user).append(1, '\0').append(labels.application);
    return key;
}

/// @param lexer behind "create", "alter" or "drop"
/// @param token the last one taken, for the caller to go on from
/// @return whether that is about what ends with its session
bool is_temporary(sql::Lexer& lexer, sql::Token& token) {
    static constexpr std::array<std::string_view, 4> kBefore = {"or", "replace", "global", "local"};
    const auto is_before = [&token](std::string_view word) { return token.is_word(word); };
    token = lexer.next();
    while (std::any_of(kBefore.begin(), kBefore.end(), is_before)) {
        token = lexer.next();
    }
    return token.is_word("temp") || token.is_word("temporary");
}

/// @param shape a statement's, or several with ";" between them
/// @return whether one of them changes what there is, or who may do what
bool is_deed(std::string_view shape) {
    static constexpr std::array<std::string_view, 3> kOfObjects = {"create", "alter", "drop"};
    static constexpr std::array<std::string_view, 8> kOthers = {
        "grant", "revoke", "truncate", "comment", "security", "reassign", "import", "refresh"};
    sql::Lexer lexer{shape};
    bool is_first = true;
    for (sql::Token token = lexer.next(); token.kind != sql::TokenKind::End; token = lexer.next()) {
        const auto is_it = [&token](std::string_view word) { return token.is_word(word); };
        if (is_first && std::any_of(kOthers.begin(), kOthers.end(), is_it)) {
            return true;
        }
        if (is_first && std::any_of(kOfObjects.begin(), kOfObjects.end(), is_it) &&
            !is_temporary(lexer, token)) {
            return true;
        }
        is_first = token.is_symbol(';');
    }
    return false;
}

std::string names_of(const sql::StatementFacts& facts) {
    std::string names;
    for (const sql::QualifiedName& table : facts.tables) {
        names += names.empty() ? "" : ", ";
        names += table.schema.empty() ? table.name : table.schema + "." + table.name;
    }
    return names;
}

policies::PlanPtr plan_from(policies::Plan plan) {
    return std::make_shared<const policies::Plan>(std::move(plan));
}

}  // namespace

void StatementDesk::renew(const conf::Config& config) {
    config_ = &config;
    rules_ = std::make_unique<const policies::Rules>(config.rules);
    ++version_;
    may_refuse_ =
        std::any_of(config.rules.begin(), config.rules.end(), [](const conf::RuleSettings& rule) {
            return !rule.set.deny.value_or("").empty() || rule.set.read_only.value_or(false);
        });
    has_time_limits_ =
        std::any_of(config.rules.begin(), config.rules.end(), [](const conf::RuleSettings& rule) {
            return rule.set.statement_timeout.value_or(conf::milliseconds{}).count() > 0;
        });
    limits_results_ =
        std::any_of(config.rules.begin(), config.rules.end(), [](const conf::RuleSettings& rule) {
            return rule.set.row_limit.value_or(0) > 0 || rule.set.byte_limit.value_or(0) > 0;
        });
    explains_slow_ =
        std::any_of(config.rules.begin(), config.rules.end(), [](const conf::RuleSettings& rule) {
            return rule.set.explain_slow.value_or(false);
        });
    caches_ =
        std::any_of(config.rules.begin(), config.rules.end(), [](const conf::RuleSettings& rule) {
            return rule.set.cache_ttl.value_or(conf::milliseconds{}).count() > 0;
        });
    for (auto& [key, context] : contexts_) {
        settle(*context);
    }
}

void StatementDesk::settle(StatementContext& context) const {
    const conf::PolicySettings policy =
        config_->policy_for(context.labels->database, context.labels->user);
    context.policy = policy;
    policies::Subject nothing;
    nothing.session = context.session();
    context.textless = plan_from(policies::decide(nothing, policy, *rules_, {}));
    nothing.is_unread = true;
    context.unread = plan_from(policies::decide(nothing, policy, *rules_, {}));
    const bool is_logged = policy.log_statements == conf::LogStatements::All ||
                           (policy.log_statements == conf::LogStatements::Slow &&
                            policy.slow_query > conf::milliseconds::zero());
    context.may_refuse = may_refuse_ || policy.read_only || policy.rate_limit > 0;
    context.limits_results = limits_results_ || policy.row_limit > 0 || policy.byte_limit > 0 ||
                             policy.hints > conf::Hints::Route;
    context.explains_slow = explains_slow_ || policy.explain_slow;
    context.may_cache = policy.cache_ttl && (caches_ || policy.cache_ttl->count() > 0 ||
                                             policy.hints > conf::Hints::Route);
    // Also where nothing of theirs is kept: what they write others may have read.
    context.is_followed = recorder_ != nullptr || is_logged || context.may_refuse ||
                          context.explains_slow || context.limits_results ||
                          config_->cache.enabled || rules_->size() > 0;
    context.has_time_limits = has_time_limits_ || policy.statement_timeout.count() > 0 ||
                              policy.hints > conf::Hints::Route;
    context.needs_facts = policies::needs_facts(context.session(), policy, *rules_);
}

StatementContext& StatementDesk::hold(ledger::Labels labels) {
    std::unique_ptr<StatementContext>& context = contexts_[key_of(labels)];
    if (context == nullptr) {
        context = std::make_unique<StatementContext>();
        context->labels = std::make_shared<const ledger::Labels>(std::move(labels));
        context->seed = kOdd * next_seed_++;
        settle(*context);
    }
    ++context->sessions;
    return *context;
}

void StatementDesk::release(StatementContext& context) {
    if (--context.sessions == 0 && contexts_.size() > kContextsMax) {
        std::erase_if(contexts_, [](const auto& one) { return one.second->sessions == 0; });
    }
}

KnownStatementPtr& StatementDesk::place_of(std::uint64_t key) {
    Recent& recent = recent_[key % recent_.size()];
    if (recent.place != nullptr && recent.key == key) {
        return *recent.place;
    }
    auto found = known_.find(key);
    if (found == known_.end()) {
        if (known_.size() >= kKnownMax || bytes_ >= kBytesMax) {
            forget();
        }
        bytes_ += kKnownBytes;
        found = known_.try_emplace(key).first;
    }
    recent = {key, &found->second};
    return found->second;
}

void StatementDesk::forget() {
    recent_ = {};
    known_.clear();
    digests_.clear();
    bytes_ = 0;
}

const ledger::DigestPtr& StatementDesk::digest_of(const StatementText& statement) {
    ledger::DigestPtr& digest = digests_[statement.digest];
    if (digest != nullptr && !digest->tables.empty()) {
        return digest;
    }
    const auto facts = statement.read().facts;
    std::string tables = facts == nullptr ? "" : names_of(*facts);
    std::shared_ptr<ledger::Digest> fresh;
    if (digest == nullptr) {
        sql::Shape shape = sql::shape_of(statement.text);
        fresh = std::make_shared<ledger::Digest>();
        fresh->hash = shape.digest;
        fresh->text = std::move(shape.text);
        fresh->kind = std::move(shape.kind);
        bytes_ += kDigestBytes + fresh->text.capacity();
    } else if (!tables.empty()) {
        fresh = std::make_shared<ledger::Digest>(*digest);  // others hold what it was
    }
    if (fresh != nullptr) {
        fresh->tables = std::move(tables);
        bytes_ += fresh->tables.capacity();
        digest = std::move(fresh);
    }
    return digest;
}

const KnownStatementPtr& StatementDesk::find(const StatementContext& context,
                                             const StatementText& statement) {
    KnownStatementPtr& known = place_of(statement.digest ^ context.seed);
    if (known == nullptr) {
        known = std::make_shared<KnownStatement>();
        known->labels = context.labels;
        known->digest = digest_of(statement);
        known->is_deed = is_deed(known->digest->text);
        const sql::SessionFacts facts = sql::session_facts(statement.text);
        known->changes_reading = facts.effects.changes_reading || facts.effects.is_opaque;
        known->cursors = sql::cursor_use(statement.text);
    }
    const bool is_better_known = statement.judge != nullptr && !known->has_facts;
    if (is_better_known) {
        const ledger::DigestPtr& digest = digest_of(statement);
        known->sums = known->digest == digest ? known->sums : nullptr;
        known->digest = digest;
    }
    if (known->decided_at != version_ || is_better_known) {
        decide(context, *known, statement);
    }
    return known;
}

void StatementDesk::decide(const StatementContext& context,
                           KnownStatement& known,
                           const StatementText& statement) const {
    const sql::FactsMemo::Known read = statement.read();
    const policies::Subject subject{context.session(),
                                    statement.text,
                                    known.digest->hash,
                                    read.facts.get(),
                                    statement.judge == nullptr};
    policies::Plan plan = policies::decide(subject, context.policy, *rules_, sql::Hint{});
    known.decided_at = version_;
    known.has_facts = read.facts != nullptr;
    known.is_of_digest = policies::is_of_digest(subject, context.policy, *rules_);
    if (known.plan == nullptr || *known.plan != plan) {
        known.plan = plan_from(std::move(plan));
    }
}

policies::PlanPtr StatementDesk::plan_of(const StatementContext& context,
                                         const KnownStatement& known,
                                         const StatementText& statement) const {
    const bool may_hint = context.policy.hints != conf::Hints::Off;
    const sql::Hint hint = may_hint ? sql::read_hint(statement.text) : sql::Hint{};
    const bool is_as_known = known.is_of_digest && (statement.judge != nullptr) == known.has_facts;
    if (is_as_known && hint == sql::Hint{}) {
        return known.plan;
    }
    const auto read = context.needs_facts ? statement.read() : sql::FactsMemo::Known{};
    const policies::Subject subject{context.session(),
                                    statement.text,
                                    known.digest->hash,
                                    read.facts.get(),
                                    statement.judge == nullptr};
    policies::Plan plan = policies::decide(subject, context.policy, *rules_, hint);
    return *known.plan == plan ? known.plan : plan_from(std::move(plan));
}

const KnownStatementPtr& StatementDesk::find_special(const StatementContext& context,
                                                     std::string_view name,
                                                     const policies::PlanPtr& plan) {
    const std::uint64_t hash = std::hash<std::string_view>{}(name);
    KnownStatementPtr& known = place_of(hash ^ context.seed);
    if (known == nullptr) {
        known = std::make_shared<KnownStatement>();
        auto fresh = std::make_shared<ledger::Digest>();
        fresh->hash = sql::stable_digest(name);
        fresh->text = name;
        fresh->kind = "other";
        known->digest = std::move(fresh);
        known->labels = context.labels;
    }
    known->plan = plan;
    known->is_of_digest = false;
    return known;
}

ledger::Sums& StatementDesk::sums_of(KnownStatement& known) const {
    if (known.sums == nullptr || known.epoch != recorder_->epoch()) {
        known.sums = &recorder_->sums_of(known.digest, known.labels);
        known.epoch = recorder_->epoch();
    }
    return *known.sums;
}

}  // namespace weir::proxy
