#pragma once

#include "conf/schema.hpp"

#include <type_traits>
#include <utility>

/// Turns a pointer to member into the pair of functions the schema keeps.
namespace weir::conf::detail {

template <class T>
struct IsOptional : std::false_type {};

template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
void from_value(T& into, const Value& value) {
    if constexpr (std::is_same_v<T, bool>) {
        into = std::get<bool>(value);
    } else if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
        into = static_cast<T>(std::get<std::uint64_t>(value));
    } else if constexpr (std::is_same_v<T, std::optional<Address>>) {
        const auto& addresses = std::get<std::vector<Address>>(value);
        into = addresses.empty() ? std::nullopt : std::optional{addresses.front()};
    } else if constexpr (IsOptional<T>::value) {
        from_value(into.emplace(), value);
    } else {
        into = std::get<T>(value);
    }
}

template <class T>
std::optional<Value> to_value(const T& field) {
    constexpr bool kIsNumber = std::is_enum_v<T> || std::is_integral_v<T>;
    if constexpr (kIsNumber && !std::is_same_v<T, bool>) {
        return Value{static_cast<std::uint64_t>(field)};
    } else if constexpr (std::is_same_v<T, std::optional<Address>>) {
        return Value{field ? std::vector<Address>{*field} : std::vector<Address>{}};
    } else if constexpr (IsOptional<T>::value) {
        return field ? to_value(*field) : std::nullopt;
    } else {
        return Value{field};
    }
}

template <class Owner, class T>
Owner owner_of(T Owner::*);

template <auto Member>
constexpr Field field() {
    using Owner = decltype(owner_of(Member));
    return {
        [](void* object, const Value& value) {
            from_value(static_cast<Owner*>(object)->*Member, value);
        },
        [](const void* object) { return to_value(static_cast<const Owner*>(object)->*Member); }};
}

}  // namespace weir::conf::detail
