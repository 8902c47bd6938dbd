#pragma once

#include "conf/schema.hpp"

#include <span>

/// The table of settings is long: these are its parts. schema.hpp's settings() is the whole.
namespace weir::conf::detail {

[[nodiscard]] std::span<const Setting> alert_settings();        ///< [[alert]]
[[nodiscard]] std::span<const Setting> cache_settings();        ///< [cache]
[[nodiscard]] std::span<const Setting> data_settings();         ///< [cluster], [database], [user]
[[nodiscard]] std::span<const Setting> maintenance_settings();  ///< [maintenance]
/// [[partition]], [[aggregate]], [[materialized_view]], [[task]]
[[nodiscard]] std::span<const Setting> maintained_settings();
/// @return record_keys() of the kinds of tables in those sections; none for other kinds
[[nodiscard]] std::span<const Setting> maintenance_record_keys(Kind kind);
[[nodiscard]] std::span<const Setting> pool_settings();    ///< [pool], [limits]
[[nodiscard]] std::span<const Setting> policy_settings();  ///< [policy] and below it
[[nodiscard]] std::span<const Setting> process_settings();  ///< [ledger], [log], [http], [admin], …
[[nodiscard]] std::span<const Setting> rule_settings();     ///< [[rule]]
[[nodiscard]] std::span<const Setting> tls_settings();      ///< [tls.client], [tls.server]
[[nodiscard]] std::span<const Setting> warm_up_settings();  ///< [[warm_up]]

}  // namespace weir::conf::detail
