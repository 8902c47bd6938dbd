#pragma once

#include "conf/model.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

/// The one table of settings. Loader, `weir check`, SHOW CONFIG, the shipped weir.toml and
/// docs/config.md all come from it.
namespace weir::conf {

enum class Section : std::uint8_t {
    Top,
    Listen,
    TlsClient,
    TlsServer,
    Auth,
    Cluster,
    Database,
    User,
    Pool,
    Limits,
    Policy,
    Retry,
    Breaker,
    Rule,  ///< has no keys of its own: the two after it stand in it
    RuleMatch,
    RuleSet,
    Cache,
    WarmUp,
    Ledger,
    Log,
    Http,
    Admin,
    Health,
    Alert,
    Maintenance,
    Partition,
    Aggregate,
    MaterializedView,
    Task,
};

/// How often a section may stand.
enum class Form : std::uint8_t {
    Single,
    Named,   ///< [name.NAME], any number of times
    Listed,  ///< [[name]], any number of times, in order
};

struct SectionInfo {
    Section section;
    std::string_view name;  ///< "" for Top
    Form form;
    std::string_view doc;
};

enum class Kind : std::uint8_t {
    Boolean,
    Integer,
    Level,    ///< a whole number from -high to high, in a Value as its two's complement
    Threads,  ///< a number, or "auto"
    FileMode,
    Duration,
    Size,
    Text,
    Choice,
    ListenAddresses,
    Servers,
    TcpAddress,  ///< "" = off
    Names,
    Table,
    Number,        ///< may have a fraction
    Share,         ///< a Number above 0, at most 1
    SharePair,     ///< [degraded, critical]
    FloorPair,     ///< the same of a share that is bad when it is below
    DurationPair,  ///< the same in time
    Backoff,       ///< a table of record_keys()
    Patterns,      ///< SQLSTATEs and texts
    Retention,     ///< a table of record_keys()
    Statements,    ///< SQL, each a text of its own
    Expressions,   ///< columns, and SQL expressions with a name
    CalendarSpan,  ///< "" only where that is the default
    KeyStep,       ///< the same
    CronLine,      ///< as it is written; "" = never
    Windows,       ///< "HH:MM-HH:MM", as they are written
    // Tables of record_keys():
    RunTimes,
    Ahead,
    PartitionRetention,
    Care,
    Governor,
};

/// What a field holds, apart from its C++ type. Choices are indexes, a TcpAddress is a list of none
/// or one.
using Value = std::variant<bool,
                           std::uint64_t,
                           milliseconds,
                           std::string,
                           std::vector<std::string>,
                           std::map<std::string, std::string>,
                           std::vector<Address>,
                           std::vector<MemberSettings>,
                           double,
                           Thresholds<double>,
                           Thresholds<milliseconds>,
                           Backoff,
                           Retention,
                           CalendarSpan,
                           KeyStep,
                           MaintenanceSchedule,
                           AheadSettings,
                           RetentionSettings,
                           CareSettings,
                           GovernorSettings>;

/// How a value gets into its struct and out again. Empty for a field of PoolOverrides or
/// TlsOverrides that nobody wrote.
struct Field {
    void (*put)(void* object, const Value& value) = nullptr;
    std::optional<Value> (*read)(const void* object) = nullptr;
};

/// When a changed value counts.
enum class Effect : std::uint8_t { Restart, Reload };
enum class Secrecy : std::uint8_t { Public, Secret };

struct Setting {
    Section section = Section::Top;
    std::string_view key = {};
    Kind kind = Kind::Text;
    std::string_view default_text = {};  ///< as in the environment: no quotes, lists with commas
    /// Integer, Size, Number (high alone: Level); of a Duration the least milliseconds, of a
    /// Backoff the fewest attempts
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    std::span<const std::string_view> choices = {};  ///< Choice, in the order of the enumerators
    Effect effect = Effect::Restart;
    Secrecy secrecy = Secrecy::Public;
    std::string_view doc = {};
    Field field = {};              ///< in the section's own struct
    Field override_field = {};     ///< Pool, Policy, Retry, TlsServer: in the struct of overrides
    std::string_view sample = {};  ///< TOML for the shipped file where the default would not do
};

[[nodiscard]] std::span<const Setting> settings();
[[nodiscard]] std::span<const SectionInfo> sections();
[[nodiscard]] const SectionInfo& section_info(Section section);
/// @return null when that section has no such key
[[nodiscard]] const Setting* find_setting(Section section, std::string_view key);

/// @return the keys of a table that is one value, in the struct that a Value of that kind holds (of
/// Kind::Servers, besides address, in MemberSettings); none for other kinds
[[nodiscard]] std::span<const Setting> record_keys(const Setting& setting);

/// @return Setting::default_text, or what the profile says for the keys it presets
[[nodiscard]] std::string_view default_text(const Setting& setting, Profile profile);
[[nodiscard]] bool is_preset_by_profile(const Setting& setting);
[[nodiscard]] std::span<const std::string_view> profile_names();

/// @return whether [database.NAME…] and [user.NAME…] may lay the section's keys over it
[[nodiscard]] constexpr bool is_laid_over(Section section) {
    return section == Section::Pool || section == Section::Policy || section == Section::Retry;
}

/// The section for pools of connections to replicas: the keys of [pool], each of which may be left
/// out.
inline constexpr std::string_view kReadPoolPath = "pool.read";

/// @return the field that what is written without a NAME goes to: that of the overrides where
/// these are laid over the profile's, or over the defaults, in the end
[[nodiscard]] inline const Field& store_field(const Setting& setting) {
    return is_laid_over(setting.section) ? setting.override_field : setting.field;
}

/// @return where `setting` lives in a configuration; only for sections of Form::Single
[[nodiscard]] void* section_object(Config& config, Section section);
[[nodiscard]] const void* section_object(const Config& config, Section section);

/// @param section one of Form::Listed
/// @param index from 0
/// @return "partition.1" for the first [[partition]]: what its keys begin with where people see
/// them
[[nodiscard]] std::string listed_path(Section section, std::size_t index);
/// @return "rule.1" for the first [[rule]], in the same way
[[nodiscard]] std::string rule_path(std::size_t index);
/// @return "alert.1" for the first [[alert]], in the same way
[[nodiscard]] std::string alert_path(std::size_t index);
/// @return "warm_up.1" for the first [[warm_up]], in the same way
[[nodiscard]] std::string warm_up_path(std::size_t index);

/// @return the key with its section: "listen.threads", or quoted where TOML needs it: database."*"
[[nodiscard]] std::string join_key(std::string_view path, std::string_view key);

}  // namespace weir::conf
