// The part of ClientCache that says whether a result may be kept, and why not.

#include "protocol/frontend_views.hpp"
#include "proxy/client_cache.hpp"
#include "proxy/client_session.hpp"
#include "proxy/worker.hpp"

#include <algorithm>

#include "sql/time_words.hpp"

namespace weir::proxy {

namespace {

/// @param types of parameters as they stand in a Parse: their number, and an oid for each
bool are_settled(ByteView types) {
    ByteReader reader{types};
    const auto count = reader.u16();
    for (std::uint16_t i = 0; count && i < *count; ++i) {
        const auto type = reader.u32();
        if (!type || !sql::is_settled_parameter(*type)) {
            return false;
        }
    }
    return count.has_value();
}

/// @return whether nothing that it says hangs on the time it is asked at
bool is_timeless(const CachedRequest& request) {
    if (sql::literals_have_time_word(request.text)) {
        return false;
    }
    if (request.is_query()) {
        return true;
    }
    const auto bound = protocol::read_bind_values(request.bind);
    return bound && are_settled(request.types) &&
           std::none_of(bound->parameters.begin(), bound->parameters.end(), [](const auto& value) {
               return value && sql::has_time_word(as_text(*value));
           });
}

}  // namespace

/// Who asks for us wants to know.
void ClientCache::note_fate(const ClientSession& session, ReadFate fate) {
    if (OwnSession* own = session.own(); own != nullptr) {
        own->fate = fate;
    }
}

/// The same of what it says.
void ClientCache::note_why(const CachedRequest& request, std::uint64_t digest) const {
    if (OwnSession* own = session_.own(); own != nullptr) {
        const sql::Uncacheable why =
            session_.request_judge().cache_facts(digest, request.text).reads.why;
        own->why = sql::name_of(why == sql::Uncacheable::No ? sql::Uncacheable::Time : why);
    }
}

/// @param plan what holds for it; nullptr: its statements are not looked at
/// @return Kept where that, and its session, let its result be another one's too
ReadFate ClientCache::fate_of(const policies::Plan* plan, std::string_view text) const {
    ClientSession& session = session_;
    const ClientRoute* route = session.route();
    const bool may_be_old = route != nullptr && route->is_split && !route->sees_own_writes;
    if (plan == nullptr || plan->cache_ttl <= Duration::zero()) {
        return ReadFate::NoTime;
    }
    if (plan->refusal != policies::Refusal::None) {
        return ReadFate::Refused;
    }
    if (session.context_->policy.rate_limit != 0) {
        return ReadFate::RateLimited;
    }
    if (may_be_old || session.is_pinned()) {
        return may_be_old ? ReadFate::MayBeOld : ReadFate::Pinned;
    }
    const bool is_plain = session.backend_ != nullptr ? session.is_text_plain()
                                                      : session.text_reading().is_certain_of(text);
    return is_plain ? ReadFate::Kept : ReadFate::Unreadable;
}

/// @return Kept where what it says does
ReadFate ClientCache::fate_of_text(const CachedRequest& request, std::uint64_t digest) const {
    RequestJudge& judge = session_.request_judge();
    if (!judge.is_informed(session_.worker_.loop().now()) || !judge.is_of_server()) {
        return ReadFate::CatalogUnread;
    }
    const bool is_cacheable = judge.cache_facts(digest, request.text).reads.may_be_kept();
    return is_cacheable && is_timeless(request) ? ReadFate::Kept : ReadFate::NotCacheable;
}

}  // namespace weir::proxy
