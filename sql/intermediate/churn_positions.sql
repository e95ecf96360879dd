-- In which way each buyer is leaving, from the facts up to each cut day: what
-- they bought in the window of churn_window_days up to it against the window
-- before.
with cut_days as (
    select cut_on
    from intermediate.cut_days
    where purpose = 'kpi'
),

customer_days as (
    select * from intermediate.customer_days
),

customer_products as (
    select * from intermediate.customer_products
),

-- Windows exclude their first bound.
cuts as (
    select
        cut_on,
        add_days(cut_on, -2 * $churn_window_days) as before_from,
        add_days(cut_on, -$churn_window_days) as now_from
    from cut_days
),

sales as (
    select
        cuts.cut_on,
        customer_days.customer_id,
        max(customer_days.day) filter (
            where customer_days.is_purchase_day
        ) as last_purchase_on,
        bool_or(customer_days.is_purchase_day) filter (
            where
            customer_days.day > cuts.before_from
            and customer_days.day <= cuts.now_from
        ) as has_bought_before,
        bool_or(customer_days.is_purchase_day) filter (
            where customer_days.day > cuts.now_from
        ) as has_bought_now,
        sum(customer_days.revenue) filter (
            where
            customer_days.day > cuts.before_from
            and customer_days.day <= cuts.now_from
        ) as revenue_before,
        sum(customer_days.revenue) filter (
            where customer_days.day > cuts.now_from
        ) as revenue_now
    from cuts
    inner join customer_days on cuts.cut_on >= customer_days.day
    group by cuts.cut_on, customer_days.customer_id
),

-- The profile of what they buy: distinct items per window.
bought_items as (
    select
        cuts.cut_on,
        customer_products.customer_id,
        customer_products.item,
        customer_products.day > cuts.now_from as is_now
    from cuts
    inner join customer_products
        on
            cuts.cut_on >= customer_products.day
            and cuts.before_from < customer_products.day
    group by
        cuts.cut_on,
        customer_products.customer_id,
        customer_products.item,
        customer_products.day > cuts.now_from
),

profiles as (
    select
        cut_on,
        customer_id,
        count(*) filter (where not is_now) as products_before,
        count(*) filter (where is_now) as products_now
    from bought_items
    group by cut_on, customer_id
),

compared as (
    select
        sales.cut_on,
        sales.customer_id,
        sales.last_purchase_on,
        coalesce(sales.has_bought_before, false) as has_bought_before,
        coalesce(sales.has_bought_now, false) as has_bought_now,
        coalesce(profiles.products_before, 0) as products_before,
        coalesce(profiles.products_now, 0) as products_now,
        cast(coalesce(sales.revenue_before, 0) as decimal(18, 2))
            as revenue_before,
        cast(coalesce(sales.revenue_now, 0) as decimal(18, 2)) as revenue_now
    from sales
    left join profiles
        on
            sales.cut_on = profiles.cut_on
            and sales.customer_id = profiles.customer_id
    where sales.last_purchase_on is not null
),

final as (
    select
        *,
        case
            when not has_bought_now then 'account'
            when has_bought_before and products_now < products_before
                then 'product'
            when
                has_bought_before
                and revenue_now
                < revenue_before
                * cast(1 - $churn_spend_drop as decimal(9, 6))
                then 'spend'
            else 'none'
        end as category
    from compared
)

select * from final
