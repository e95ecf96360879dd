-- One order per line of the file, one order line per item in it. The file has
-- no dates: all baskets are of one day. Nor prices: goods for nothing are a
-- purchase all the same.
with baskets as (
    select * from landed.baskets
),

items as (
    select
        _line as basket_no,
        unnest(string_to_array(items, ',')) as item,
        unnest(
            generate_series(1, array_length(string_to_array(items, ',')))
        ) as position
    from baskets
)

select
    cast(basket_no as varchar) as order_id,
    cast(position as bigint) as line_no,
    cast(null as varchar) as customer_id,
    day_start(cast('2024-01-31' as date)) as ordered_at,
    trim(item) as product_id,
    cast(1 as decimal(18, 3)) as quantity,
    cast(0 as decimal(18, 2)) as net_amount,
    cast(null as decimal(18, 2)) as margin,
    'store' as channel,
    cast(null as varchar) as campaign_id
from items
where trim(item) <> ''
