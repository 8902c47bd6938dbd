#include "conf/draft.hpp"

#include <algorithm>
#include <string>
#include <vector>

/// What pools for reads, and reads sent to replicas, mean together with everything else.
namespace weir::conf {

namespace {

constexpr std::string_view kPool = ".pool";
constexpr std::string_view kReadPool = ".pool.read";

/// One section of overrides of pools for reads, and where it stands.
struct ReadSection {
    std::string path;  ///< "pool.read", "user.app.pool.read"
    const PoolOverrides* overrides;
};

void check_mode(Draft& draft, const ReadSection& section) {
    if (section.overrides->mode) {
        draft.complain(section.path + ".mode",
                       "is the same for reads and writes; accepted: a mode in the section "
                       "without .read");
    }
}

/// Complains about the min that is laid over all others.
/// @param sections least specific first
void check_min(Draft& draft, const PoolSettings& pool, const std::vector<ReadSection>& sections) {
    const auto last = std::find_if(sections.rbegin(), sections.rend(), [](const auto& section) {
        return section.overrides->min.has_value();
    });
    if (pool.min <= pool.max || last == sections.rend()) {
        return;
    }
    const std::string key = last->path + ".min";
    if (draft.broken.count(key) == 0) {
        draft.complain(key,
                       std::to_string(pool.min) + " is more than the max that goes with it, " +
                           std::to_string(pool.max) + "; accepted: at most that, or a larger max");
    }
}

template <class Settings>
ReadSection section_of(std::string_view kind, const Settings& settings) {
    return {join_key(kind, settings.name) + std::string{kReadPool}, &settings.read_pool};
}

template <class Settings>
bool has_pools(const Settings& settings) {
    return !(settings.pool == PoolOverrides{}) || !(settings.read_pool == PoolOverrides{});
}

/// Everybody's pools for reads of one database. @param database null = one without a section
void check_pools_of(Draft& draft, const DatabaseSettings* database) {
    const Config& config = draft.config;
    std::vector<ReadSection> sections{{std::string{kReadPoolPath}, &config.read_pool}};
    PoolSettings write = config.pool;
    PoolOverrides none;
    const PoolOverrides* read = &none;
    if (database != nullptr) {
        sections.push_back(section_of("database", *database));
        write = merge(write, database->pool);
        read = &database->read_pool;
    }
    const auto read_over = [&](const PoolSettings& base) {
        return merge(merge(base, config.read_pool), *read);
    };
    check_min(draft, read_over(write), sections);
    for (const auto& [name, user] : config.users) {
        if (has_pools(user)) {
            sections.push_back(section_of("user", user));
            check_min(draft, merge(read_over(merge(write, user.pool)), user.read_pool), sections);
            sections.pop_back();
        }
    }
}

void check_read_pools(Draft& draft) {
    const Config& config = draft.config;
    check_mode(draft, {std::string{kReadPoolPath}, &config.read_pool});
    bool has_any = !(config.read_pool == PoolOverrides{});
    for (const auto& [name, database] : config.databases) {
        check_mode(draft, section_of("database", database));
        has_any = has_any || !(database.read_pool == PoolOverrides{});
    }
    for (const auto& [name, user] : config.users) {
        check_mode(draft, section_of("user", user));
        has_any = has_any || !(user.read_pool == PoolOverrides{});
    }
    if (!has_any) {
        return;
    }
    check_pools_of(draft, /*database=*/nullptr);
    for (const auto& [name, database] : config.databases) {
        if (has_pools(database)) {
            check_pools_of(draft, &database);
        }
    }
}

void check_split(Draft& draft, const DatabaseSettings& database) {
    if (!database.read_write_split) {
        return;
    }
    if (database.pool.mode.value_or(draft.config.pool.mode) == PoolMode::Session) {
        draft.complain(join_key("database", database.name) + ".read_write_split",
                       "pool.mode is \"session\", and reads cannot be sent elsewhere where a "
                       "session keeps its server connection; accepted: a pool.mode of "
                       "\"transaction\" or \"statement\", or false");
    }
}

/// A user in session mode simply has no reads elsewhere: worth a word, and no mistake.
void note_users_without_split(Draft& draft) {
    for (const auto& [name, user] : draft.config.users) {
        const bool is_session = user.pool.mode == PoolMode::Session;
        for (const auto& [database_name, database] : draft.config.databases) {
            if (is_session && database.read_write_split) {
                draft.notes.push_back(join_key("user", name) + std::string{kPool} +
                                      ".mode is \"session\": this user's reads of " +
                                      join_key("database", database_name) +
                                      " are not sent to replicas");
            }
        }
    }
}

void note_clusters_without_primary(Draft& draft) {
    for (const auto& [name, cluster] : draft.config.clusters) {
        bool is_all_replicas = !cluster.members.empty();
        for (const MemberSettings& member : cluster.members) {
            is_all_replicas = is_all_replicas && member.role == MemberRole::Replica;
        }
        if (is_all_replicas) {
            draft.notes.push_back(join_key("cluster", name) +
                                  ".servers: all have the role \"replica\": what needs the primary "
                                  "never finds one");
        }
    }
}

}  // namespace

void check_reads(Draft& draft) {
    check_read_pools(draft);
    for (const auto& [name, database] : draft.config.databases) {
        check_split(draft, database);
    }
    note_users_without_split(draft);
    note_clusters_without_primary(draft);
}

}  // namespace weir::conf
