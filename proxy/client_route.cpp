// The part of ClientSession that decides where a request runs: reads may go to replicas, and what a
// replica has not answered is run elsewhere.

#include "base/log.hpp"
#include "base/random.hpp"
#include "policies/balance.hpp"
#include "policies/freshness.hpp"
#include "protocol/frontend_views.hpp"
#include "proxy/client_session.hpp"
#include "proxy/partition_healing.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "sql/hint.hpp"
#include "sql/lexer.hpp"
#include "sql/read_route.hpp"
#include "sql/session_facts.hpp"

namespace weir::proxy {

using protocol::FrontendMessage;
using Kind = protocol::StatementReference::Kind;

namespace {

/// Longer texts are not looked at.
constexpr std::size_t kTextBytesMax = std::size_t{16} * 1024;
/// So many replicas that have no backend for a request; then the primary runs it.
constexpr unsigned kRefusalsMax = 2;

policies::Balance balance_of(conf::Balance balance) {
    switch (balance) {
        case conf::Balance::LeastConnections: return policies::Balance::LeastConnections;
        case conf::Balance::RoundRobin: return policies::Balance::RoundRobin;
        case conf::Balance::Random: return policies::Balance::Random;
        case conf::Balance::Latency: return policies::Balance::Latency;
    }
    return policies::Balance::LeastConnections;
}

/// @return whether it is undone as a whole where it fails: a procedure, a DO block and commands
/// such as VACUUM may have committed a part of what they do
bool is_one_transaction(std::string_view text) {
    static constexpr std::array<std::string_view, 8> kWords = {
        "select", "insert", "update", "delete", "merge", "with", "values", "table"};
    const sql::Token first = sql::Lexer{text}.next();
    return std::any_of(kWords.begin(), kWords.end(), [&first](std::string_view word) {
        return first.is_word(word);
    });
}

std::string_view text_of(const pool::Statement& statement) {
    const std::string_view text = as_text(statement.definition);
    return text.substr(0, text.find('\0'));
}

}  // namespace

ClientExtras& ClientSession::extras() {
    if (extras_ == nullptr) {
        extras_ = std::make_unique<ClientExtras>();
    }
    return *extras_;
}

/// @return nullptr: everything runs on the primary
ClientRoute* ClientSession::route() const {
    return extras_ == nullptr ? nullptr : extras_->route.get();
}

/// Looks up what its database's cluster is, and whether reads may go to replicas.
void ClientSession::read_routing() {
    const conf::RetrySettings& retry = context_->policy.retry;
    const conf::DatabaseSettings* database = worker_.config().find_database(pool_->key().database);
    const bool heals = worker_.shared().healing != nullptr && !is_session_mode() &&
                       heals_partitions(worker_.config(), pool_->key().database);
    if (database != nullptr &&
        (heals || worker_.config().cluster_of(*database).members.size() > 1)) {
        if (route() == nullptr) {
            extras().route = std::make_unique<ClientRoute>();
            if (is_logged_in()) {
                route()->wrote_at = Clock::now();  // nobody has looked until now
            }
        }
        ClientRoute& mine = *route();
        mine.is_split = database->read_write_split && !is_session_mode();
        mine.heals_partitions = heals;
        mine.sees_own_writes = database->read_your_writes;
        if (mine.next_retry == nullptr || *mine.next_retry != retry) {
            mine.next_retry = std::make_shared<const conf::RetrySettings>(retry);
        }
    } else if (route() != nullptr && route()->lender == nullptr && route()->pending.empty() &&
               backend_ == nullptr && !route()->is_pausing) {
        extras_->route.reset();
    } else if (route() != nullptr) {
        route()->is_split = route()->heals_partitions = false;
    }
}

/// @return whose backend it has or waits for
pool::Pool& ClientSession::lender() const {
    const ClientRoute* mine = route();
    return mine == nullptr || mine->lender == nullptr ? *pool_ : *mine->lender;
}

/// @return the same, for the last time: the backend, or the place in the line, is being given up
pool::Pool& ClientSession::end_lease() const {
    ClientRoute* mine = route();
    pool::Pool* replica = mine == nullptr ? nullptr : mine->leave();
    return replica == nullptr ? *pool_ : *replica;
}

/// @return whether it has, or waits for, a replica's backend
bool ClientSession::is_at_replica() const {
    return route() != nullptr && route()->lender != nullptr;
}

/// A request begins, and no backend is there for it.
/// @param rest from its first message on, as much as has been read
/// @return whose backend is wanted; nullptr: nobody's, the request has been refused
pool::Pool* ClientSession::choose_lender(ByteView rest) {
    ClientRoute* mine = route();
    if (mine == nullptr) {
        return pool_;
    }
    mine->begin_request();
    if (mine->is_split || mine->heals_partitions) {
        mine->retry = mine->next_retry;
        const std::size_t bytes = look_ahead(rest);
        const bool may_repeat = mine->is_one_transaction &&
                                (mine->heals_partitions || mine->retry->transaction.attempts > 1);
        if (mine->is_split ? mine->is_read || may_repeat : !mine->is_read && may_repeat) {
            mine->kept.assign(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(bytes));
        }
        if (mine->is_read && choose_replica()) {
            return mine->lender;
        }
    }
    return may_call_primary() ? pool_ : nullptr;
}

/// @return whether there is a replica that may serve this client now: the lender is its pool then
bool ClientSession::choose_replica() {
    ClientRoute& mine = *route();
    const ReadPools& pools = worker_.read_pools(*pool_);
    if (pools.view == nullptr || !mine.is_split || mine.stays_on_primary || mine.kept.empty() ||
        mine.refusals >= kRefusalsMax) {
        return false;
    }
    const pool::ClusterView& view = *pools.view;
    if (!may_trust_catalog(view)) {
        return false;  // the primary tells what functions do
    }
    const TimePoint now = worker_.loop().now();
    std::vector<policies::Candidate>& candidates = worker_.candidates();
    candidates.clear();
    for (std::size_t i = 0; i < view.members.size(); ++i) {
        const pool::MemberView& member = view.members[i];
        const bool is_fresh = !mine.sees_own_writes ||
                              policies::may_read_own_writes(mine.wrote_at, member.fresh_until);
        if (member.may_read && is_fresh && !mine.avoids(member.load)) {
            candidates.push_back({i,
                                  member.weight,
                                  member.load->leased.load(std::memory_order_relaxed),
                                  member.load->latency(now)});
        }
    }
    const policies::Balance balance = balance_of(pools.balance);
    while (const auto chosen = policies::choose(balance, candidates, *pools.state, random_unit())) {
        const std::shared_ptr<pool::MemberLoad>& load = view.members[*chosen].load;
        if (begin_call(load).verdict != policies::CallVerdict::Refused) {
            mine.enter(worker_.read_pool(*pool_, *chosen), load);
            load->note_chosen(now);
            return true;
        }
        std::erase_if(candidates,
                      [&chosen](const policies::Candidate& one) { return one.index == *chosen; });
    }
    return false;
}

/// Says whether the request that `rest` begins with is a read that a replica may run.
/// @return its length, where it is whole and may be run once more if that becomes necessary; else 0
std::size_t ClientSession::look_ahead(ByteView rest) {
    if (const TextReading reading = text_reading(); !reading.is_known || !reading.is_plain) {
        return 0;
    }
    const auto [status, header] = protocol::read_header(rest);
    if (status != protocol::FrameStatus::Complete || rest.size() < header.frame_bytes() ||
        header.frame_bytes() > ClientRoute::kKeptBytesMax) {
        return 0;
    }
    if (static_cast<FrontendMessage>(header.type) != FrontendMessage::Query) {
        return look_ahead_to_sync(rest);
    }
    const auto query = protocol::read_query(protocol::body_of(rest, header));
    if (!query) {
        return 0;
    }
    route()->is_read = is_read(query->sql);
    return header.frame_bytes();
}

/// What has been seen of a batch of messages.
struct ClientSession::BatchLook {
    std::map<std::string_view, std::uint64_t> parsed;  // digests by name
    bool is_read = true;
    bool has_text = false;
    bool is_bound = false;
    bool is_executed = false;
};

std::size_t ClientSession::look_ahead_to_sync(ByteView rest) {
    BatchLook look;
    std::size_t at = 0;
    while (at < rest.size()) {
        const ByteView message = rest.subspan(at);
        const auto [status, header] = protocol::read_header(message);
        if (status != protocol::FrameStatus::Complete || message.size() < header.frame_bytes()) {
            return 0;
        }
        at += header.frame_bytes();
        if (at > ClientRoute::kKeptBytesMax) {
            return 0;
        }
        if (static_cast<FrontendMessage>(header.type) == FrontendMessage::Sync) {
            route()->is_read = look.has_text && look.is_read;
            return look.has_text ? at : 0;
        }
        if (!look_at(header, message, look)) {
            return 0;
        }
    }
    return 0;
}

/// @return whether the batch may still be run once more
bool ClientSession::look_at(const protocol::FrameHeader& header,
                            ByteView message,
                            BatchLook& look) {
    const auto reference = protocol::read_statement_reference(header, message);
    switch (static_cast<FrontendMessage>(header.type)) {
        case FrontendMessage::Parse: return look_at_parse(header, message, look);
        case FrontendMessage::Bind: look.is_bound = true; return look_at_use(reference, look);
        case FrontendMessage::Describe: return look_at_use(reference, look);
        case FrontendMessage::Execute:
            // What has been told of the first could not be taken back.
            return look.is_bound && !std::exchange(look.is_executed, true);
        case FrontendMessage::Close:
            return !knows_name(reference);  // once it is answered the name is gone
        default: return false;
    }
}

bool ClientSession::knows_name(const protocol::StatementReference& reference) const {
    return statements_ != nullptr && reference.kind == Kind::Named &&
           (statements_->find(reference.name) != nullptr ||
            statements_->is_unsettled(reference.name));
}

bool ClientSession::look_at_parse(const protocol::FrameHeader& header,
                                  ByteView message,
                                  BatchLook& look) {
    const auto parse = protocol::read_parse(protocol::body_of(message, header));
    if (!parse || knows_name(protocol::read_statement_reference(header, message))) {
        return false;  // it is refused, and must be so each time
    }
    look.is_read = is_read(parse->sql) && look.is_read;
    look.parsed[parse->name] = route()->digest;
    look.has_text = true;
    return true;
}

/// Bind and Describe.
bool ClientSession::look_at_use(const protocol::StatementReference& reference, BatchLook& look) {
    if (reference.kind == Kind::None) {
        return true;  // a portal of this request's, or no message at all
    }
    if (const auto here = look.parsed.find(reference.name); here != look.parsed.end()) {
        route()->digest = here->second;
        return true;
    }
    const ClientStatement* known =
        statements_ == nullptr ? nullptr : statements_->find(reference.name);
    if (known == nullptr || known->statement == nullptr || known->is_deallocate) {
        return false;
    }
    look.is_read = is_read(text_of(*known->statement)) && look.is_read;
    look.has_text = true;
    return true;
}

/// @return whether a replica may run this, as far as is known
bool ClientSession::is_read(std::string_view text) {
    ClientRoute& mine = *route();
    mine.is_one_transaction = mine.is_one_transaction && is_one_transaction(text);
    if (text.size() > kTextBytesMax) {
        return false;
    }
    const sql::SessionFacts facts = worker_.knowledge().facts(text);
    mine.digest = facts.effects.digest;
    RequestJudge& judge = request_judge();
    if (carries_state() && !judge.leaves_nothing(facts.effects, text, context_of_names())) {
        return false;  // it would have to keep the backend
    }
    const sql::FactsMemo::Known known = judge.read_facts(mine.digest, text);
    const sql::RouteHint wanted = wanted_route(text, mine.digest);
    mine.stays_on_primary = mine.stays_on_primary || wanted == sql::RouteHint::Primary;
    if (sql::begins_read_only(*known.facts) || begins_read_only_by_default(*known.facts)) {
        mine.is_transaction = true;
        return true;
    }
    if (known.is_read) {
        return true;
    }
    mine.is_proven = false;  // it is said to be one
    return wanted == sql::RouteHint::Replica && sql::reads_by_grammar(*known.facts);
}

/// @return where the statement itself says that it is to go, or else the rules
sql::RouteHint ClientSession::wanted_route(std::string_view text, std::uint64_t digest) {
    if (!follows_statements()) {
        return context_->policy.hints == conf::Hints::Off ? sql::RouteHint::None
                                                          : sql::read_hint(text).route;
    }
    const StatementText statement = statement_text(text, digest);
    const KnownStatementPtr& known = worker_.desk().find(*context_, statement);
    switch (worker_.desk().plan_of(*context_, *known, statement)->route) {
        case conf::RuleRoute::Auto: return sql::RouteHint::Auto;
        case conf::RuleRoute::Primary: return sql::RouteHint::Primary;
        case conf::RuleRoute::Replica: return sql::RouteHint::Replica;
    }
    return sql::RouteHint::None;
}

/// BEGIN says nothing of reading or writing, and the session's setting does.
bool ClientSession::begins_read_only_by_default(const sql::StatementFacts& facts) const {
    if (facts.access != sql::Access::Begin || facts.modes.is_serializable ||
        facts.modes.writes != sql::TransactionModes::Writes::Unsaid) {
        return false;
    }
    const auto usual = settings_->find("default_transaction_read_only");
    return usual != settings_->end() && usual->second == "on";
}

/// The message that is about to be passed on is not the first of its request.
/// @return whether it must wait: what is sent behind a read would have to be run elsewhere with it
bool ClientSession::is_behind_read() {
    ClientRoute* mine = route();
    if (mine == nullptr || state_ != ClientState::Active) {
        return false;
    }
    if (backend_->is_auditing() && (mine->lender != nullptr || mine->is_split)) {
        return true;  // another request, which may belong elsewhere
    }
    if (!mine->is_sent) {
        return false;
    }
    if (mine->lender == nullptr) {
        if (!backend_->stop_holding_back()) {
            return true;  // the first is to be run once more
        }
        mine->is_read = false;  // something more, that nobody has looked at
        mine->kept.clear();
        return false;
    }
    return true;
}

/// The transaction is over.
void ClientSession::note_rest() {
    ClientRoute* mine = route();
    if (mine == nullptr) {
        return;
    }
    if (mine->may_have_written()) {
        // Not the loop's time: that was read before the answer came.
        mine->wrote_at = Clock::now();
    }
    settle_retry(pool::RetryOutcome::Success);
    mine->forget_request();
}

/// So many bytes of the request under way have been passed on.
void ClientSession::note_consumed(std::size_t bytes) {
    if (ClientRoute* mine = route(); mine != nullptr && !mine->kept.empty()) {
        mine->consumed += bytes;
    }
}

}  // namespace weir::proxy
