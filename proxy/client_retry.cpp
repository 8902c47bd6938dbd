// The part of ClientSession that runs a request once more: where it is certain that it has done
// nothing, and that the client has heard nothing of it.

#include "base/log.hpp"
#include "base/random.hpp"
#include "pool/backoff_of.hpp"
#include "proxy/client_session.hpp"
#include "proxy/partition_healing.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace weir::proxy {

using pool::RetryKind;
using pool::RetryOutcome;
using protocol::FrontendMessage;

namespace {

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
            if (reference.kind == protocol::StatementReference::Kind::Named) {
                names.push_back(reference.name);
            }
        }
        request = request.subspan(header.frame_bytes());
    }
    return names;
}

}  // namespace

/// It has a backend, which nothing has been sent to yet.
void ClientSession::hold_replies_back() {
    const ClientRoute* mine = route();
    if (mine == nullptr || mine->kept.empty()) {
        return;
    }
    pool::ReplyHold::Wish wish;
    if (mine->lender != nullptr) {
        wish.also = &mine->retry->also_retry;
        backend_->hold_back(wish);
        return;
    }
    const bool may_repeat =
        mine->is_split && mine->rollbacks + 1 < mine->retry->transaction.attempts;
    wish.heals_partitions = mine->heals_partitions && mine->healings < kHealingsMax;
    if (!mine->is_one_transaction || (!may_repeat && !wish.heals_partitions)) {
        return;
    }
    const bool is_query = mine->kept.front() == static_cast<std::byte>(FrontendMessage::Query);
    wish.at = is_query ? pool::ReplyHold::At::Primary : pool::ReplyHold::At::PrimaryToSync;
    wish.also = may_repeat ? &mine->retry->also_retry : nullptr;
    backend_->hold_back(wish);
}

/// The server that had the request has not answered, and will not: nothing of an answer has reached
/// the client.
/// @param wait for so long before it is run once more
void ClientSession::run_again(RetryKind kind, Duration wait) {
    ClientRoute& mine = *route();
    worker_.mutable_counters().add(kind, RetryOutcome::Attempt);
    mine.retried = kind;
    // What is not consumed is still where it came from.
    const ByteView consumed = ByteView{mine.kept}.first(std::min(mine.consumed, mine.kept.size()));
    mine.pending.insert(mine.pending.begin(), consumed.begin(), consumed.end());
    mine.is_sent = false;
    mine.consumed = 0;
    forget_pending_statements();
    forget_reset();
    if (statements_ != nullptr) {
        for (const std::string_view name : names_parsed_in(consumed)) {
            statements_->forget(name);  // it is prepared anew
        }
    }
    is_forwarding_ = false;
    has_waited_ = true;
    stream_.resume(net::Pause::PeerIsFull);
    if (state_ != ClientState::Waiting) {
        transition(ClientEvent::BackendMissed);
    }
    if (wait > Duration::zero()) {
        mine.is_pausing = true;
        worker_.loop().set_deadline(deadline_, worker_.loop().now() + wait);
        return;
    }
    ask_again();
}

void ClientSession::ask_again() {
    if (route()->is_read && choose_replica()) {
        lender().acquire(*this);
    } else if (may_call_primary()) {
        pool_->acquire(*this);
    } else {
        resume_held();
    }
}

/// A replica's pool has no backend for it.
void ClientSession::look_elsewhere() {
    if (state_ != ClientState::Waiting) {
        transition(ClientEvent::BackendMissed);
    }
    ask_again();
}

void ClientSession::end_pause() {
    ClientRoute* mine = route();
    if (mine == nullptr || state_ != ClientState::Waiting ||
        !std::exchange(mine->is_pausing, false)) {
        return;
    }
    deadline_.clear();
    ask_again();
}

/// The backend is gone: for the breaker, and for what the client may read from now on.
void ClientSession::note_loss(const pool::BackendLoss& loss) {
    end_call(loss.reason.sqlstate == sqlstate::kConnectionFailure ? policies::CallEnd::Failed
                                                                  : policies::CallEnd::Succeeded);
    if (ClientRoute* mine = route(); mine != nullptr && mine->may_have_written()) {
        mine->wrote_at = Clock::now();  // it may have been committed
    }
}

/// A read has lost the replica that ran it.
/// @return whether it is run once more
bool ClientSession::survives_loss(const pool::BackendLoss& loss) {
    ClientRoute* mine = route();
    const bool is_unheard = loss.is_untold || state_ == ClientState::Preparing;
    // A statement that we have ended, or an operator, has ended.
    const bool is_lost = loss.reason.sqlstate == sqlstate::kConnectionFailure;
    if (mine == nullptr || mine->lender == nullptr || !mine->is_read || mine->kept.empty() ||
        !is_unheard || !is_lost || body_left_ > 0 || is_relaying_) {
        return false;  // the primary may have written something, whatever it was
    }
    if (!is_in_recovery(mine->lender->key().member)) {
        return false;  // so may this one by now
    }
    if (++mine->losses >= mine->retry->statement.attempts) {
        return false;
    }
    // The first goes on at once: it is another server's turn.
    const auto wait =
        pool::backoff_of(mine->retry->statement).wait_before(mine->losses, random_unit());
    mine->avoided.push_back(mine->load);
    static_cast<void>(end_lease());
    run_again(RetryKind::Statement, wait.value_or(Duration::zero()));
    return true;
}

bool ClientSession::is_in_recovery(const std::string& member) {
    const ReadPools& pools = worker_.read_pools(*pool_);
    return pools.view != nullptr &&
           std::any_of(pools.view->members.begin(),
                       pools.view->members.end(),
                       [&member](const pool::MemberView& one) {
                           return one.name == member && one.role != policies::MemberRole::Primary &&
                                  one.role != policies::MemberRole::SplitBrain;
                       });
}

void ClientSession::on_taken_back(const pool::TakenBack& reason) {
    end_call(policies::CallEnd::Succeeded);  // the member is well
    ClientRoute& mine = *route();
    if (reason.partition) {
        ++mine.healings;
        return_backend();
        run_again(RetryKind::Partition, kHealingLimit);
        worker_.shared().healing->heal(*reason.partition, [&worker = worker_, id = id_] {
            worker.post([id](Worker& its) { its.end_pause(id); });
        });
        return;
    }
    const bool was_replica = mine.lender != nullptr;
    if (was_replica && reason.sqlstate == sqlstate::kReadOnlySqlTransaction) {
        request_judge().remember_as_write(mine.digest);
    }
    return_backend();
    if (was_replica) {
        mine.is_read = false;  // it may write
        run_again(RetryKind::Replica, Duration::zero());
        return;
    }
    const auto wait =
        pool::backoff_of(mine.retry->transaction).wait_before(++mine.rollbacks + 1, random_unit());
    run_again(RetryKind::Transaction, wait.value_or(Duration::zero()));
}

/// An error is on its way to the client.
void ClientSession::on_error(const protocol::ErrorView& error) {
    ClientRoute* mine = route();
    if (mine == nullptr) {
        return;
    }
    if (mine->heals_partitions && mine->lender == nullptr && mine->healings == 0) {
        // It cannot be run once more; who comes next is to find it.
        if (const auto missing = pool::read_missing_partition(error); missing) {
            worker_.shared().healing->heal(*missing, {});
        }
    }
    if (mine->lender != nullptr && !mine->is_transaction &&
        error.sqlstate == sqlstate::kReadOnlySqlTransaction) {
        request_judge().remember_as_write(mine->digest);  // for the next time
    }
    settle_retry(RetryOutcome::Failure);
}

/// A request that was run once more has come to its end.
void ClientSession::settle_retry(RetryOutcome outcome) {
    ClientRoute* mine = route();
    if (mine != nullptr && mine->retried) {
        worker_.mutable_counters().add(*mine->retried, outcome);
        mine->retried.reset();
    }
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
    mine->is_replaying = true;
    const std::size_t used = relay(request);
    mine->is_replaying = false;
    if (!is_ending()) {
        mine->pending.insert(mine->pending.end(),
                             request.begin() + static_cast<std::ptrdiff_t>(used),
                             request.end());
    }
    return mine->pending.empty();
}

}  // namespace weir::proxy
