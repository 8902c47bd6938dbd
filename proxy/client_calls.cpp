// The part of ClientSession that calls members: asks their circuit breakers, and tells how calls
// end.

#include "proxy/client_session.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace weir::proxy {

/// The primary tells what functions do, and is asked anew with one read a while. Where it takes
/// none now what was known last will do, unless somebody has changed that through us.
/// @return whether a read may run on a replica as far as that goes
bool ClientSession::may_trust_catalog(const pool::ClusterView& view) {
    if (!carries_state() || !view.primary) {
        return true;
    }
    RequestJudge& judge = request_judge();
    const bool is_refused =
        view.members[*view.primary].load->gate.state() != policies::BreakerState::Closed;
    if (is_refused || !pool_->could_lend()) {
        return judge.is_unchanged();
    }
    const TimePoint now = worker_.loop().now();
    return judge.is_informed(now) && !judge.takes_errand(now);
}

/// Asks the primary's circuit breaker. Where there is no primary, clients wait for one.
/// @return false: the client has been told
bool ClientSession::may_call_primary() {
    const ReadPools& pools = worker_.read_pools(*pool_);
    if (pools.view == nullptr || !pools.view->primary) {
        return true;
    }
    const pool::MemberView& primary = pools.view->members[*pools.view->primary];
    const policies::CallPermit permit = begin_call(primary.load);
    if (permit.verdict != policies::CallVerdict::Refused) {
        return true;
    }
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(
        std::max(Duration{}, permit.retry_at - worker_.loop().now()));
    refuse_request({protocol::Severity::Error,
                    sqlstate::kCannotConnectNow,
                    "too many calls to " + primary.name + " have failed (circuit breaker)",
                    {},
                    "It is tried again in " + std::to_string(wait.count()) + " ms."});
    return false;
}

/// @return whether the member may be called; where it may the call is under way
policies::CallPermit ClientSession::begin_call(const std::shared_ptr<pool::MemberLoad>& member) {
    const TimePoint now = worker_.loop().now();
    const policies::CallPermit permit = member->gate.may_call(now);
    if (permit.verdict == policies::CallVerdict::Refused) {
        member->calls[worker_.index()].refuse();
    } else {
        route()->call = {member, permit.trial, now};
    }
    return permit;
}

/// All that was asked has been answered, or will not be.
void ClientSession::end_call(policies::CallEnd how) {
    ClientRoute* mine = route();
    if (mine == nullptr || mine->call.member == nullptr) {
        return;
    }
    const MemberCall call = std::exchange(mine->call, {});
    const TimePoint now = worker_.loop().now();
    const Duration took = now - call.began_at;
    if (how == policies::CallEnd::Succeeded) {
        call.member->note_latency(took, now);
    }
    const Duration slow = worker_.config().breaker.slow_call;
    const bool is_slow = slow > Duration::zero() && took > slow;
    call.member->calls[worker_.index()].finish(
        call.member->gate,
        call.trial,
        how,
        is_slow ? policies::CallSpeed::Slow : policies::CallSpeed::Normal);
}

/// It has not come to a call.
void ClientSession::forget_call() {
    if (ClientRoute* mine = route(); mine != nullptr && mine->call.member != nullptr) {
        mine->call.member->gate.give_back(mine->call.trial);
        mine->call = {};
    }
}

/// The logins that have failed are counted by themselves; but a trial must come to its end.
void ClientSession::end_refused_call(const pool::LoginFailure& reason) {
    const ClientRoute* mine = route();
    const bool is_trial = mine != nullptr && mine->call.trial != policies::kNoTrial;
    if (is_trial && !reason.is_ours && !reason.is_final) {
        end_call(policies::CallEnd::Failed);
    } else {
        forget_call();
    }
}

}  // namespace weir::proxy
