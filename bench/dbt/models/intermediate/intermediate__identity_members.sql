{{ config(alias='identity_members', schema='intermediate', materialized='table') }}
-- DuckDB has no function for components of graphs: what can be reached, and of that the smallest customer id.
with recursive links as (
    select alias_id, customer_id
    from {{ ref('staging__identities') }}
    where
        alias_id is not null
        and customer_id is not null
        and (linked_at is null or business_day(linked_at) <= date '{{ var("as_of") }}')
),

edges as (
    select alias_id as a, customer_id as b from links
    union
    select customer_id, alias_id from links
),

reached(landed_id, component_id) as (
    select customer_id, customer_id from links
    union
    select edges.b, reached.component_id from reached inner join edges on reached.landed_id = edges.a
),

components as (
    select landed_id, min(component_id) as component_id
    from reached
    group by landed_id
),

sized as (
    select *, count(*) over (partition by component_id) as component_size
    from components
)

select
    landed_id,
    case when component_size <= 50 then component_id else landed_id end as customer_id,
    component_id,
    component_size,
    component_size <= 50 as is_merged
from sized
