-- Which landed ids are one customer. Links form a graph; a connected component
-- is one customer, named by the smallest `customer_id` of its links. Models
-- left join this table on the landed id: an id that is not here is its own
-- customer.
with identities as (
    select * from staging.identities
),

counted_links as (
    select
        alias_id,
        customer_id
    from identities
    where
        alias_id is not null
        and customer_id is not null
        -- a link without a date counts from the start
        and (linked_at is null or business_day(linked_at) <= $as_of)
),

members as (
    select unnest(connected_components(alias_id, customer_id)) as member
    from counted_links
),

components as (
    select
        member['id'] as landed_id,
        member['component'] as component_id,
        cast(member['size'] as bigint) as component_size
    from members
),

-- A huge component is a mistake in the data (a shared till's number, a test
-- account), not a customer: its ids stay apart, and a check reports it.
final as (
    select
        landed_id,
        case
            when component_size <= $identity_max_size then component_id
            else landed_id
        end as customer_id,
        component_id,
        component_size,
        component_size <= $identity_max_size as is_merged
    from components
)

select * from final
