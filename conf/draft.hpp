#pragma once

#include "conf/load.hpp"
#include "conf/node.hpp"
#include "conf/schema.hpp"
#include "conf/units.hpp"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

/// A configuration while it is being put together: the values so far, where each came from and what
/// is wrong. Lives for one load; one thread.
class Draft {
public:
    Draft(std::string file, const Environment& process_environment)
        : environment{process_environment}, file_name{std::move(file)} {}

    /// Reports a mistake at the place `key` (or the nearest section above it) was given.
    void complain(const std::string& key, const std::string& message);
    void complain_at(Position at, const std::string& key, const std::string& message);
    void complain_about_variable(const std::string& variable, const std::string& message);

    /// Puts what an environment variable says.
    /// @param path of the section: "pool.read"
    void put_text(const Setting& setting,
                  const std::string& path,
                  const std::string& variable,
                  std::string_view text);

    /// Replaces a value "file:PATH" by that file's text, without its last line break.
    /// @return what is wrong, or ""
    [[nodiscard]] std::string resolve_secret(std::string& value);

    /// @return a path of the configuration, seen from the folder of its file
    [[nodiscard]] std::string beside_file(const std::string& path) const;

    /// @return a new section's struct with every key at its default
    template <class Settings>
    [[nodiscard]] Settings with_defaults(Section section, const std::string& name) {
        Settings settings_of_section;
        settings_of_section.name = name;
        put_defaults(section, &settings_of_section);
        return settings_of_section;
    }

    void put_defaults(Section section, void* object) const;

    /// @return where what is written in a section without a name goes: its struct, or the overrides
    /// that settle over the defaults
    [[nodiscard]] void* object_of(Section section);

    const Environment& environment;
    std::string file_name;  ///< "" = no file
    Config config = {};
    PoolOverrides pool = {};      ///< [pool] as written; becomes config.pool over the profile
    PolicyOverrides policy = {};  ///< the same of [policy]
    std::map<std::string, Place> places = {};
    std::set<std::string> broken =
        {};  ///< keys with a problem of their own: no second one about the consequences
    std::set<std::string> variables = {};  ///< environment variables the file asks for
    std::string connection_variable =
        {};  ///< the variable that brought the database of the environment
    std::vector<Problem> problems = {};
    std::vector<std::string> notes = {};
    std::vector<std::string> files = {};
};

/// Reads a whole file. @return text, or a problem such as "cannot be read: No such file or
/// directory"
[[nodiscard]] Parsed<std::string> read_text_file(const std::string& path, std::size_t bytes_max);

/// Lets the variables of the contract override what the file said (overrides.cpp).
void apply_environment(Draft& draft);
/// Adds the one database DATABASE_URL or DB_* describe (connection.cpp).
void apply_connection(Draft& draft);
/// Reads auth.hba_file and auth.ident_file (auth_files.cpp).
void read_auth_files(Draft& draft);
/// What the keys of [auth] and the users mean together (check_auth.cpp).
void check_auth(Draft& draft);
/// Makes the files of the TLS sections paths the process can open, and checks what the keys there
/// mean together (tls_files.cpp).
void settle_tls(Draft& draft);
/// What pools for reads and read_write_split mean together with everything else (check_reads.cpp).
void check_reads(Draft& draft);
/// What a rule says is there to be matched and set (check_rules.cpp).
void check_rules(Draft& draft);
/// What alerts look at, what they are called, and whom they tell (check_alerts.cpp).
void check_alerts(Draft& draft);
/// Where results are kept, and whether there is a place for them (check_cache.cpp).
void check_cache(Draft& draft);
/// Whether what is to be run at the start can be, and as whom (check_warm_ups.cpp).
void check_warm_ups(Draft& draft);
/// Where and when the database is maintained, and what is run there (check_maintenance.cpp).
void check_maintenance(Draft& draft);
/// Whether what [[partition]] says can be done (check_partitions.cpp).
void check_partitions(Draft& draft);
/// The same of [[aggregate]], beside what retention takes away (check_aggregates.cpp).
void check_aggregates(Draft& draft);
/// Notes what policies and rules say in vain, or for anybody to change (check_policies.cpp).
void note_policies(Draft& draft);
/// Reads auth.users_file (load.cpp); then check_meaning() looks at what keys mean together
/// (check.cpp).
void check_meaning(Draft& draft);

}  // namespace weir::conf
