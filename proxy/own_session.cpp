#include "proxy/own_session.hpp"

namespace weir::proxy {

std::string_view text_of(ReadFate fate) {
    switch (fate) {
        case ReadFate::NotAsked: return "the cache was not asked";
        case ReadFate::Kept: return "it is kept";
        case ReadFate::NoTime: return "no cache_ttl holds for it";
        case ReadFate::Refused: return "a rule refuses it";
        case ReadFate::RateLimited: return "its user has a rate_limit";
        case ReadFate::MayBeOld: return "read_your_writes is false";
        case ReadFate::Pinned: return "its session is pinned";
        case ReadFate::NotOne: return "it is not one statement, or too long to be looked at";
        case ReadFate::Unreadable: return "the server may read its text in another way";
        case ReadFate::CatalogUnread: return "the catalog is not known";
        case ReadFate::NotCacheable: return "it cannot be cached";
        case ReadFate::Untrusted: return "Redis is not heard";
        case ReadFate::Written: return "its tables are being written";
        case ReadFate::Alone: return "another client's read of it came to nothing";
        case ReadFate::TooLarge: return "its result is larger than cache.max_entry";
        case ReadFate::Failed: return "it failed";
        case ReadFate::Unfit: return "its reply is more than a result, or was cut";
    }
    return {};
}

bool may_pass(ReadFate fate) {
    switch (fate) {
        case ReadFate::NotAsked:
        case ReadFate::CatalogUnread:
        case ReadFate::Untrusted:
        case ReadFate::Written:
        case ReadFate::Alone: return true;
        case ReadFate::Kept:
        case ReadFate::NoTime:
        case ReadFate::Refused:
        case ReadFate::RateLimited:
        case ReadFate::MayBeOld:
        case ReadFate::Pinned:
        case ReadFate::NotOne:
        case ReadFate::Unreadable:
        case ReadFate::NotCacheable:
        case ReadFate::TooLarge:
        case ReadFate::Failed:
        case ReadFate::Unfit: return false;
    }
    return false;
}

}  // namespace weir::proxy
