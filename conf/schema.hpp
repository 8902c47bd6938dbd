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
    Log,
    Http,
    Admin,
};

struct SectionInfo {
    Section section;
    std::string_view name;  ///< "" for Top
    bool is_named;          ///< [name.NAME], any number of times
    bool has_overrides;     ///< [name.NAME.pool] and [name.NAME.policy] may override [pool] and
                            ///< [policy]
    std::string_view doc;
};

enum class Kind : std::uint8_t {
    Boolean,
    Integer,
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
};

/// What a field holds, apart from its C++ type. Choices are indexes, a TcpAddress is a list of none
/// or one.
using Value = std::variant<bool,
                           std::uint64_t,
                           milliseconds,
                           std::string,
                           std::vector<std::string>,
                           std::map<std::string, std::string>,
                           std::vector<Address>>;

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
    std::uint64_t low = 0;               ///< Integer, Size
    std::uint64_t high = 0;
    std::span<const std::string_view> choices = {};  ///< Choice, in the order of the enumerators
    Effect effect = Effect::Restart;
    Secrecy secrecy = Secrecy::Public;
    std::string_view doc = {};
    Field field = {};              ///< in the section's own struct
    Field override_field = {};     ///< Pool, Policy, TlsServer: in the struct of overrides
    std::string_view sample = {};  ///< TOML for the shipped file where the default would not do
};

[[nodiscard]] std::span<const Setting> settings();
[[nodiscard]] std::span<const SectionInfo> sections();
[[nodiscard]] const SectionInfo& section_info(Section section);
/// @return null when that section has no such key
[[nodiscard]] const Setting* find_setting(Section section, std::string_view key);

/// @return Setting::default_text, or what the profile says for the keys it presets
[[nodiscard]] std::string_view default_text(const Setting& setting, Profile profile);
[[nodiscard]] bool is_preset_by_profile(const Setting& setting);
[[nodiscard]] std::span<const std::string_view> profile_names();

/// @return the field that what is written without a NAME goes to: that of the overrides where
/// these are laid over the profile's, or over the defaults, in the end
[[nodiscard]] inline const Field& store_field(const Setting& setting) {
    const bool is_merged = setting.section == Section::Pool || setting.section == Section::Policy;
    return is_merged ? setting.override_field : setting.field;
}

/// @return where `setting` lives in a configuration; only for sections that are not named
[[nodiscard]] void* section_object(Config& config, Section section);
[[nodiscard]] const void* section_object(const Config& config, Section section);

/// @return the key with its section: "listen.threads", or quoted where TOML needs it: database."*"
[[nodiscard]] std::string join_key(std::string_view path, std::string_view key);

}  // namespace weir::conf
