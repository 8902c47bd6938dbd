// The part of ClientSession that decides where a request runs: reads may go to replicas, and what a
// replica has not answered is run elsewhere.

#include "base/log.hpp"
#include "base/random.hpp"
#include "policies/balance.hpp"
#include "policies/freshness.hpp"
#include "protocol/frontend_views.hpp"
#include "proxy/client_session.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <map>
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

policies::Balance balance_of(conf::Balance balance) {
    switch (balance) {
        case conf::Balance::LeastConnections: return policies::Balance::LeastConnections;
        case conf::Balance::RoundRobin: return policies::Balance::RoundRobin;
        case conf::Balance::Random: return policies::Balance::Random;
        case conf::Balance::Latency: return policies::Balance::Latency;
    }
    return policies::Balance::LeastConnections;
}

std::string_view text_of(const pool::Statement& statement) {
    const std::string_view text = as_text(statement.definition);
    return text.substr(0, text.find('\0'));
}

/// The named Parses in a request.
std::vector<std::string_view> names_parsed_in(ByteView request) {
    std::vector<std::string_view> names;
    while (!request.empty()) {
        const auto [status, header] = protocol::read_header(request);
        if (status != protocol::FrameStatus::Complete || request.size() < header.frame_bytes()) {
            break;
        }
        if (static_cast<FrontendMessage>(header.type) == FrontendMessage::Parse) {
            const auto reference = protocol::read_statement_reference(header, request);
            if (reference.kind == Kind::Named) {
                names.push_back(reference.name);
            }
        }
        request = request.subspan(header.frame_bytes());
    }
    return names;
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

/// Looks up whether its reads may go to replicas.
void ClientSession::read_routing() {
    const conf::DatabaseSettings* database = worker_.config().find_database(pool_->key().database);
    const bool is_split = database != nullptr && database->read_write_split && !is_session_mode() &&
                          worker_.config().cluster_of(*database).members.size() > 1;
    if (is_split) {
        if (route() == nullptr) {
            extras().route = std::make_unique<ClientRoute>();
        }
        route()->sees_own_writes = database->read_your_writes;
    } else if (route() != nullptr && route()->lender == nullptr && route()->pending.empty()) {
        extras_->route.reset();
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
pool::Pool& ClientSession::choose_lender(ByteView rest) {
    ClientRoute* mine = route();
    if (mine == nullptr) {
        return *pool_;
    }
    mine->is_sent = false;
    mine->consumed = 0;
    const std::size_t bytes = look_ahead(rest);
    mine->is_read = bytes > 0;
    if (!mine->is_read || !choose_replica(nullptr)) {
        return *pool_;
    }
    mine->kept.assign(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(bytes));
    return *mine->lender;
}

/// @param but not this one, which has failed
/// @return whether there is a replica that may serve this client now: the lender is its pool then
bool ClientSession::choose_replica(const pool::Pool* but) {
    ClientRoute& mine = *route();
    const ReadPools& pools = worker_.read_pools(*pool_);
    if (pools.view == nullptr) {
        return false;
    }
    const pool::ClusterView& view = *pools.view;
    if (carries_state() && view.primary && !request_judge().is_informed(worker_.loop().now())) {
        return false;  // the primary tells what functions do
    }
    std::vector<policies::Candidate>& candidates = worker_.candidates();
    candidates.clear();
    for (std::size_t i = 0; i < view.members.size(); ++i) {
        const pool::MemberView& member = view.members[i];
        const bool is_fresh = !mine.sees_own_writes ||
                              policies::may_read_own_writes(mine.wrote_at, member.fresh_until);
        if (member.may_read && is_fresh && (but == nullptr || but->key().member != member.name)) {
            candidates.push_back({i,
                                  member.weight,
                                  member.load->leased.load(std::memory_order_relaxed),
                                  member.load->latency_us.load(std::memory_order_relaxed)});
        }
    }
    const auto chosen =
        policies::choose(balance_of(pools.balance), candidates, *pools.state, random_unit());
    if (!chosen) {
        return false;
    }
    mine.enter(worker_.read_pool(*pool_, *chosen), view.members[*chosen].load);
    return true;
}

/// @return whether text means what it seems to in this session
bool ClientSession::is_text_plain_to_us() {
    ClientRoute& mine = *route();
    if (mine.read_by != settings_) {
        const auto value_of = [this](std::string_view name) -> std::string_view {
            if (const auto own = settings_->find(name); own != settings_->end()) {
                return own->second;
            }
            const std::string* usual = pool_->default_of(name);
            return usual == nullptr ? std::string_view{} : *usual;
        };
        mine.is_plain =
            sql::can_cut(value_of("standard_conforming_strings"), value_of("client_encoding"));
        mine.read_by = settings_;
    }
    return mine.is_plain;
}

/// @return the length of the request that `rest` begins with, where it is whole and a read that a
/// replica may run; else 0
std::size_t ClientSession::look_ahead(ByteView rest) {
    if (!is_text_plain_to_us()) {
        return 0;
    }
    const auto [status, header] = protocol::read_header(rest);
    if (status != protocol::FrameStatus::Complete || rest.size() < header.frame_bytes()) {
        return 0;
    }
    if (static_cast<FrontendMessage>(header.type) != FrontendMessage::Query) {
        return look_ahead_to_sync(rest);
    }
    const auto query = protocol::read_query(protocol::body_of(rest, header));
    return query && is_read(query->sql) ? header.frame_bytes() : 0;
}

std::size_t ClientSession::look_ahead_to_sync(ByteView rest) {
    std::map<std::string_view, std::string_view> parsed;  // texts by name
    bool has_text = false;
    bool is_bound = false;
    int executes = 0;
    std::size_t at = 0;
    while (at < rest.size() && at <= ClientRoute::kKeptBytesMax) {
        const ByteView message = rest.subspan(at);
        const auto [status, header] = protocol::read_header(message);
        if (status != protocol::FrameStatus::Complete || message.size() < header.frame_bytes()) {
            return 0;
        }
        at += header.frame_bytes();
        const auto reference = protocol::read_statement_reference(header, message);
        switch (static_cast<FrontendMessage>(header.type)) {
            case FrontendMessage::Parse: {
                const auto parse = protocol::read_parse(protocol::body_of(message, header));
                if (!parse || !is_read(parse->sql)) {
                    return 0;
                }
                parsed[parse->name] = parse->sql;
                has_text = true;
                break;
            }
            case FrontendMessage::Describe:
            case FrontendMessage::Bind:
                is_bound =
                    is_bound || static_cast<FrontendMessage>(header.type) == FrontendMessage::Bind;
                if (reference.kind == Kind::None) {
                    break;  // a portal of this request's, or no message at all
                }
                if (!parsed.contains(reference.name)) {
                    const ClientStatement* known =
                        statements_ == nullptr ? nullptr : statements_->find(reference.name);
                    if (known == nullptr || known->statement == nullptr || known->is_deallocate ||
                        !is_read(text_of(*known->statement))) {
                        return 0;
                    }
                    has_text = true;
                }
                break;
            case FrontendMessage::Execute:
                if (!is_bound || ++executes > 1) {
                    return 0;  // what has been told of the first cannot be taken back
                }
                break;
            case FrontendMessage::Close: break;
            case FrontendMessage::Sync: return has_text ? at : 0;
            default: return 0;
        }
    }
    return 0;
}

/// @return whether a replica may run this, as far as is known
bool ClientSession::is_read(std::string_view text) {
    if (text.size() > kTextBytesMax) {
        return false;
    }
    ClientRoute& mine = *route();
    const sql::Hint hint = sql::read_hint(text);
    if (hint.route == sql::RouteHint::Primary) {
        return false;
    }
    const sql::SessionFacts facts = worker_.knowledge().facts(text);
    mine.digest = facts.effects.digest;
    RequestJudge& judge = request_judge();
    if (carries_state() && !judge.leaves_nothing(facts.effects, text, context_of_names())) {
        return false;  // it would have to keep the backend
    }
    const sql::FactsMemo::Known known = judge.read_facts(mine.digest, text);
    if (hint.route == sql::RouteHint::Replica || known.verdict.route == sql::ReadRoute::Replica) {
        return true;
    }
    return sql::begins_read_only(*known.facts) || begins_read_only_by_default(*known.facts);
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
    if (mine == nullptr || !mine->is_sent || state_ != ClientState::Active) {
        return false;
    }
    if (mine->lender == nullptr) {
        mine->is_read = false;  // something more, that nobody has looked at
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
    if (mine->lender == nullptr && !mine->is_read) {
        // Not the loop's time: that was read before the answer came.
        mine->wrote_at = Clock::now();
    }
    if (mine->load != nullptr) {
        mine->load->note_latency(worker_.loop().now() - request_at_);
    }
    mine->kept.clear();
}

/// So many bytes of the request under way have been passed on.
void ClientSession::note_consumed(std::size_t bytes) {
    if (is_at_replica()) {
        route()->consumed += bytes;
    }
}

/// The replica has not answered, and will not: the request is run on another one, or on the
/// primary. Nothing of an answer has reached the client.
/// @param failed nullptr: no replica will do
void ClientSession::run_elsewhere(const pool::Pool* failed) {
    ClientRoute& mine = *route();
    // What is not consumed is still where it came from.
    const ByteView consumed = ByteView{mine.kept}.first(std::min(mine.consumed, mine.kept.size()));
    mine.pending.insert(mine.pending.begin(), consumed.begin(), consumed.end());
    mine.is_sent = false;
    mine.consumed = 0;
    forget_pending_statements();
    if (statements_ != nullptr) {
        for (const std::string_view name : names_parsed_in(consumed)) {
            statements_->forget(name);  // it is prepared anew
        }
    }
    is_forwarding_ = false;
    stream_.resume(net::Pause::PeerIsFull);
    if (state_ != ClientState::Waiting) {
        transition(ClientEvent::BackendMissed);
    }
    pool::Pool& next = failed != nullptr && choose_replica(failed) ? *mine.lender : *pool_;
    worker_.mutable_counters().repeated_reads.add();
    next.acquire(*this);
}

/// @return whether nothing of it has reached the client, so that it may be run elsewhere
bool ClientSession::may_run_elsewhere() const {
    return is_at_replica() && route()->is_read && body_left_ == 0 && !is_relaying_ &&
           !route()->kept.empty();
}

void ClientSession::on_taken_back(SqlState reason) {
    if (reason == sqlstate::kReadOnlySqlTransaction) {
        request_judge().remember_as_write(route()->digest);
    }
    pool::Backend& backend = *std::exchange(backend_, nullptr);
    pool::Pool& replica = end_lease();
    if (backend.is_at_rest()) {
        replica.release(backend);
    } else {
        replica.abandon(backend, pool::Backend::Frame::Whole, pool::Backend::Departure::Orderly);
    }
    run_elsewhere(nullptr);
}

/// Passes on again what a replica has not answered.
/// @return whether all of it has been; else what follows has to wait
bool ClientSession::replay() {
    ClientRoute* mine = route();
    if (mine == nullptr || mine->pending.empty()) {
        return true;
    }
    if (state_ == ClientState::Waiting || state_ == ClientState::Preparing) {
        return false;
    }
    const std::vector<std::byte> request = std::exchange(mine->pending, {});
    const std::size_t used = relay(request);
    if (!is_ending()) {
        mine->pending.insert(mine->pending.end(),
                             request.begin() + static_cast<std::ptrdiff_t>(used),
                             request.end());
    }
    return mine->pending.empty();
}

}  // namespace weir::proxy
